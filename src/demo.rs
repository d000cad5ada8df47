//! The demo: an app of its own, and the policy that stands in front of it.

pub mod app;
pub mod policy;
