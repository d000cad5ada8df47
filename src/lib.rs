//! Curfew.

pub mod config;
mod proxy;
