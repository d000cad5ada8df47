//! The heart: identity, policy, the session and its states, `resolve` and `decide`.
//!
//! Nothing here does I/O, reads a clock, waits, logs or fails. Everything it knows arrives as
//! arguments, and each rule exists once: no script, report or API holds a second copy.

pub mod access;
mod authority;
pub mod cuts;
pub mod decide;
pub mod device;
pub mod identity;
pub mod limits;
pub mod policy;
pub mod proof;
pub mod rehearse;
pub mod resolve;
pub mod seats;
pub mod session;
pub mod time;
pub mod token;
