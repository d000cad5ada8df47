//! Checks of what clients and apps write.

pub(crate) mod carriers;
pub(crate) mod frames;
pub(crate) mod head;
pub(crate) mod login;
pub(crate) mod path;
pub(crate) mod set_cookie;

/// Servers, each as it reads: what the checks of carriers are held against.
mod readers;
mod wire;
