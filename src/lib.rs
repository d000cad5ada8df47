//! Curfew.

pub mod config;
