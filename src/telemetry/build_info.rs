//! Which build this is, as the build script found it.

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
    /// What `--version` says after the name.
    pub const VERSION_LINE: &'static str = concat!(
        env!("CARGO_PKG_VERSION"),
        " (revision ",
        env!("CURFEW_REVISION"),
        ")"
    );

    /// This build.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: env!("CURFEW_REVISION"),
        rustc: env!("CURFEW_RUSTC"),
    };
}
