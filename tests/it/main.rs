//! The integration tests, one binary: what is seen from outside, over public faces.

mod adoption;
mod apps;
mod bad_input;
mod bodies;
mod carriers;
mod command_line;
mod demo;
mod harness;
mod headers;
mod layers;
mod metrics_docs;
mod policy;
mod redis_outage;
mod redis_start;
mod refusals;
mod reload;
mod revocation;
mod standards;
mod store_contract;
mod store_redis;
mod streams;
mod timeouts;
mod tls;
