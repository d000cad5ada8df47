//! The integration tests, one binary: what is seen from outside, over public faces.

mod store_contract;
