//! What an operator writes and what the gateway makes of it.

pub mod carrier;
