//! Curfew: a reverse proxy that gives legacy web applications the session timeouts they lack.
//!
//! The layers, each importing only what stands to its right (`tests/it/layers.rs` holds this):
//!
//! ```text
//! main ─► cli ─► gateway ─► { proxy, admin, sweeper, audit, demo } ─► { explain, routing, store, telemetry, config, clock } ─► domain
//! ```
//!
//! `cli` also has `prove`, which holds a configuration against `standards`, whose names `config` knows; and
//! `simulate`, which replays recorded requests under a configuration.
//!
//! `domain` is the heart: it cannot do I/O, read a clock, wait, log or fail.
//! One request's way is written down in `proxy::handle`. `fuzz` exists in tests alone.

pub mod admin;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod entropy;
pub mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod gateway;
pub mod prove;
pub mod proxy;
mod routing;
pub mod simulate;
pub mod standards;
pub mod store;
pub mod sweeper;
pub mod telemetry;
