//! Shapes of grids: what can be one, where a point lies, which overlap. Pure.

use crate::error::FileFault;
use geo::{
    BooleanOps, BoundingRect, ChamberlainDuquetteArea, Contains, Intersects, MultiPolygon, Point, Polygon, Rect,
    Validation,
    algorithm::validation::{InvalidMultiPolygon, InvalidPolygon, RingRole},
};
use rstar::{
    AABB, RTree,
    primitives::{GeomWithData, Rectangle},
};
use serde::Serialize;
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

/// A grid unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// 14–16 digits.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// Longitude and latitude, degrees, WGS-84 or CGCS2000.
    pub shape: MultiPolygon<f64>,
}

impl Grid {
    /// The box around it; none for a shape without points.
    #[must_use]
    pub fn bounds(&self) -> Option<Rect<f64>> {
        self.shape.bounding_rect()
    }
}

/// Two grids that share ground.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Overlap {
    /// The code of one.
    pub a: String,
    /// The code of the other, the greater one.
    pub b: String,
    /// How much they share, square metres.
    pub area_m2: f64,
}

/// Surveyed borders differ by the last digits of their coordinates; less than this is no overlap, square metres.
const TOLERATED_M2: f64 = 1.0;

/// Grids by place.
pub struct Atlas {
    grids: Vec<Grid>,
    tree: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
}

impl Atlas {
    /// Of these grids, in the order of their codes.
    #[must_use]
    pub fn new(mut grids: Vec<Grid>) -> Atlas {
        grids.sort_by(|a, b| a.code.cmp(&b.code));
        let boxes = grids.iter().enumerate().filter_map(|(n, grid)| {
            let bounds = grid.bounds()?;
            Some(GeomWithData::new(Rectangle::from_corners(bounds.min().into(), bounds.max().into()), n))
        });
        let tree = RTree::bulk_load(boxes.collect());
        Atlas { grids, tree }
    }

    /// The codes of the grids a point lies in.
    #[must_use]
    pub fn at(&self, lon: f64, lat: f64) -> Vec<String> {
        let near = self.tree.locate_in_envelope_intersecting(&AABB::from_point([lon, lat]));
        let mut near: Vec<&Grid> = near.filter_map(|found| self.grids.get(found.data)).collect();
        near.sort_by(|a, b| a.code.cmp(&b.code));
        holding(&near, lon, lat)
    }

    /// Which grids overlap, by their codes.
    #[must_use]
    pub fn overlaps(&self) -> Vec<Overlap> {
        let mut found = Vec::new();
        for (n, grid) in self.grids.iter().enumerate() {
            let Some(bounds) = grid.bounds() else { continue };
            let envelope = AABB::from_corners(bounds.min().into(), bounds.max().into());
            for other in self.tree.locate_in_envelope_intersecting(&envelope).filter(|other| other.data > n) {
                let Some(other) = self.grids.get(other.data) else { continue };
                let area_m2 = grid.shape.intersection(&other.shape).chamberlain_duquette_unsigned_area();
                if area_m2 >= TOLERATED_M2 {
                    found.push(Overlap { a: grid.code.clone(), b: other.code.clone(), area_m2: area_m2.round() });
                }
            }
        }
        found.sort_by(|x, y| (&x.a, &x.b).cmp(&(&y.a, &y.b)));
        found
    }
}

/// The codes of those grids that a point lies in; on a border that several share, the first of them. The grids come in
/// the order of their codes.
#[must_use]
pub fn holding(grids: &[&Grid], lon: f64, lat: f64) -> Vec<String> {
    let point = Point::new(lon, lat);
    let inside: Vec<String> =
        grids.iter().filter(|grid| grid.shape.contains(&point)).map(|grid| grid.code.clone()).collect();
    if !inside.is_empty() {
        return inside;
    }
    grids.iter().find(|grid| grid.shape.intersects(&point)).map(|grid| grid.code.clone()).into_iter().collect()
}

/// What makes a shape none, in Chinese.
#[must_use]
pub fn shape_faults(shape: &MultiPolygon<f64>) -> Vec<String> {
    let mut faults = Vec::new();
    for polygon in shape {
        for (n, ring) in std::iter::once(polygon.exterior()).chain(polygon.interiors()).enumerate() {
            let role = if n == 0 { RingRole::Exterior } else { RingRole::Interior(n - 1) };
            let alone = Polygon::new(ring.clone(), Vec::new());
            let errors = alone.validation_errors().into_iter();
            faults.extend(errors.map(|error| match error {
                InvalidPolygon::TooFewPointsInRing(_) => format!("{}不足三个不同的点", ring_name(role)),
                _ => format!("{}自相交", ring_name(role)),
            }));
        }
    }
    // How rings lie to each other can only be said of rings that are whole.
    if faults.is_empty() {
        faults.extend(shape.validation_errors().into_iter().map(told));
    }
    faults
}

fn ring_name(role: RingRole) -> String {
    match role {
        RingRole::Exterior => "外环".to_owned(),
        RingRole::Interior(n) => format!("第 {} 个内环", n + 1),
    }
}

fn told(error: InvalidMultiPolygon) -> String {
    match error {
        InvalidMultiPolygon::InvalidPolygon(_, error) => match error {
            InvalidPolygon::InteriorRingNotContainedInExteriorRing(ring) => format!("{}不在外环之内", ring_name(ring)),
            InvalidPolygon::IntersectingRingsOnALine(a, b) => format!("{}与{}有重合的边", ring_name(a), ring_name(b)),
            InvalidPolygon::IntersectingRingsOnAnArea(a, b) => format!("{}与{}重叠", ring_name(a), ring_name(b)),
            other => format!("图形不成立（{other}）"),
        },
        InvalidMultiPolygon::ElementsOverlaps(a, b) => format!("第 {} 块与第 {} 块重叠", a.0 + 1, b.0 + 1),
        InvalidMultiPolygon::ElementsTouchOnALine(a, b) => format!("第 {} 块与第 {} 块有公共边", a.0 + 1, b.0 + 1),
    }
}

/// A fault of the n-th feature of a map.
#[must_use]
pub fn fault(row: usize, column: &str, problem: impl Into<String>) -> FileFault {
    let row = u32::try_from(row).unwrap_or(u32::MAX);
    FileFault { sheet: None, row, column: column.to_owned(), problem: problem.into() }
}
