//! Photos and video.
pub mod datum;
pub mod media;
pub mod thumbnail;
