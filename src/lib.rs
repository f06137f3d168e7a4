//! `chengguan`: the field-sync platform of a county's urban management (智慧城管).

pub mod app;
pub mod cases;
pub mod cli;
pub mod client;
pub mod config;
pub mod db;
pub mod dock;
pub mod env;
pub mod error;
pub mod evidence;
pub mod http;
pub mod identity;
pub mod sim;
pub mod spotchecks;
pub mod sync;
