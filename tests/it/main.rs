//! The integration tests, one binary: what is seen from outside, over public faces.

mod apps;
mod bodies;
mod carriers;
mod harness;
mod headers;
mod layers;
mod refusals;
mod revocation;
mod store_contract;
mod store_redis;
mod streams;
mod timeouts;
