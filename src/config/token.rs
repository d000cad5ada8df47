//! The gateway's own companion token of an app: what it is called, and how it is renewed.

use http::HeaderName;

use crate::domain::token::Renewal;

/// The prefix that makes browsers take a cookie from this very host alone, over TLS, for all of it
/// (RFC 6265bis, 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// Where an app's token travels, and how it is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCarrier {
    /// The cookie's name where there is no TLS.
    pub plain: String,
    /// The cookie's name over TLS.
    pub secured: String,
    /// The header of clients that keep no cookies.
    pub header: Option<HeaderName>,
    /// How it is renewed.
    pub renewal: Renewal,
}

impl TokenCarrier {
    /// A token whose cookie has this name, or over TLS this name behind its prefix.
    pub fn new(cookie: String, header: Option<HeaderName>, renewal: Renewal) -> Self {
        Self {
            secured: format!("{HOST_PREFIX}{cookie}"),
            plain: cookie,
            header,
            renewal,
        }
    }
}
