//! The `curfew` binary.

fn main() {}
