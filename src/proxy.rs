//! The data path: what happens between a client and an app's upstream.

#[allow(dead_code, reason = "until the request's way is laid")]
mod stream;
