//! temporary head
pub mod media;
