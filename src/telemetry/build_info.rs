//! Which build this is. The build may set `CURFEW_REVISION` and `CURFEW_RUSTC`.

use serde::Serialize;

/// Names a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BuildInfo {
    /// The release.
    pub version: &'static str,
    /// The commit.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

impl BuildInfo {
    /// This build.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: or_unknown(option_env!("CURFEW_REVISION")),
        rustc: or_unknown(option_env!("CURFEW_RUSTC")),
    };
}

const fn or_unknown(set: Option<&'static str>) -> &'static str {
    match set {
        Some(text) => text,
        None => "unknown",
    }
}
