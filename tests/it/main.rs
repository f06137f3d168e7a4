//! Every test that needs more than a pure function, in one binary: one link instead of twenty.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should panic where it stands")]

mod authorisation;
mod bad_input;
mod carriage;
mod cases;
mod client;
mod crash;
mod custody;
mod demo;
mod differential;
mod dock;
mod dst;
mod evidence;
mod identity;
mod migrations;
mod openapi;
mod pages;
mod protocol;
mod retention;
mod spotchecks;
mod stock_clients;
mod support;
mod sync;
mod tidy;
mod torture;
mod uploads;
mod vectors;
