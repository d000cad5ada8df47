//! Streams: every body and tunnel of a session, counted while it runs and cut when the session ends.
//!
//! The registry knows them by lineage. A body wraps itself into a `CountedBody`, an upgraded
//! connection runs through `tunnel`; both hold a `StreamHandle`, through which the cut reaches them.

pub(crate) mod body;
mod flow;
pub(crate) mod handle;
pub(crate) mod patience;
pub(crate) mod person;
pub(crate) mod progress;
pub(crate) mod registry;
mod signal;
pub(crate) mod tunnel;
pub(crate) mod unsaid;
pub(crate) mod websocket;
pub(crate) mod work;
