//! What `curfew demo` runs: an application to watch, and later the gateway in front of it.

pub mod app;
