//! One request's way through the gateway.
// The pieces come before the way that uses them; this line goes when the way is there.
#![allow(dead_code)]

mod carriers;
mod cookies;
mod head;
mod names;
mod path;
mod set_cookie;
