//! OGC API – Features (17-069r4, Part 1: Core, with GeoJSON and OpenAPI 3.0): the open collections as layers for GDAL,
//! QGIS and whatever else reads the standard. The columns are those of [`crate::opendata`].
//!
//! Invariants (held by `tests/it/ogc.rs`, which also lets GDAL count):
//! * following `next` from the first page gives every matching feature exactly once;
//! * coordinates are CRS84: longitude before latitude, WGS-84;
//! * a parameter that is not documented is refused, as the standard demands.

mod documents;
pub mod routes;
