//! Curfew.

pub mod demo;
