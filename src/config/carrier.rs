//! The wire shape of an app's session: where its ids travel and which cookies accompany them.
//!
//! A carrier is spelled the same in the config, in messages and in `Display`.

use std::{fmt, str::FromStr};

use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE},
};

/// Where an id of the slot travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A cookie of this name.
    Cookie(String),
    /// A path parameter, as in `/page;jsessionid=…`.
    PathParameter(String),
    /// A query parameter, as in `/page?PHPSESSID=…`.
    Query(String),
    /// The credentials of an `Authorization` header with this scheme.
    Authorization(String),
    /// The value of this header.
    Header(HeaderName),
}

/// How an app's session looks on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionShape {
    /// Where the id travels; the first is the slot's own.
    pub carriers: Vec<Carrier>,
    /// Cookies that accompany the id and are forwarded, stripped and expired with it.
    pub group: Vec<String>,
    /// Cookies that log in again by themselves (remember-me, SSO tickets) and die with the session.
    pub auth_cookies: Vec<String>,
    /// What becomes of an `Authorization` header whose scheme is no carrier.
    pub authorization: AuthorizationRule,
}

impl SessionShape {
    /// The id's cookies, their group, and the auth cookies.
    pub fn cookie_names(&self) -> impl Iterator<Item = &str> {
        let ids = self.carriers.iter().filter_map(|carrier| match carrier {
            Carrier::Cookie(name) => Some(name),
            _ => None,
        });
        let all = ids.chain(&self.group).chain(&self.auth_cookies);
        all.map(String::as_str)
    }

    /// Whether a cookie is the id's, of its group, or an auth cookie.
    pub fn owns_cookie(&self, name: &str) -> bool {
        self.cookie_names().any(|own| own == name)
    }
}

/// What becomes of an `Authorization` header whose scheme is no carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationRule {
    /// It is stripped on routes that need a session, since Basic or Negotiate would log in again in silence.
    Strip,
    /// It reaches the app, knowingly.
    Pass,
}

/// Why a text is no carrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// Neither kind nor name.
    #[error("`{0}` does not say where the id travels; write {FORMS}")]
    NoKind(String),
    /// A kind that does not exist.
    #[error("`{0}` is no place where an id travels; write {FORMS}")]
    UnknownKind(String),
    /// A name with characters that its place cannot hold.
    #[error("`{name}` cannot be {what}; write `{kind}:` and {rule}")]
    BadName {
        /// The name as written.
        name: String,
        /// The kind before the colon.
        kind: &'static str,
        /// What the name should have been.
        what: &'static str,
        /// Which names are possible.
        rule: &'static str,
    },
    /// A header that has a carrier of its own.
    #[error("the header `{header}` has its own carrier; write `{instead}`")]
    OwnCarrier {
        /// The header as written.
        header: HeaderName,
        /// The carrier to write.
        instead: &'static str,
    },
}

const FORMS: &str =
    "`cookie:NAME`, `path:NAME`, `query:NAME`, `authorization:SCHEME` or `header:NAME`";

impl FromStr for Carrier {
    type Err = CarrierError;

    fn from_str(text: &str) -> Result<Self, CarrierError> {
        let Some((kind, name)) = text.split_once(':') else {
            return Err(CarrierError::NoKind(text.to_owned()));
        };
        match kind {
            "cookie" => token(name, "cookie", "the name of a cookie").map(Self::Cookie),
            "path" => plain(name, "path", "the name of a path parameter").map(Self::PathParameter),
            "query" => plain(name, "query", "the name of a query parameter").map(Self::Query),
            "authorization" => {
                token(name, "authorization", "a scheme of Authorization").map(Self::Authorization)
            }
            "header" => header(name).map(Self::Header),
            _ => Err(CarrierError::UnknownKind(kind.to_owned())),
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::PathParameter(name) => write!(f, "path:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Authorization(scheme) => write!(f, "authorization:{scheme}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// A token of RFC 9110 section 5.6.2. `$` is left out: RFC 2109 reserves names that begin with it.
fn token(name: &str, kind: &'static str, what: &'static str) -> Result<String, CarrierError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#%&'*+-.^_`|~".contains(&byte);
    named(name, allowed).ok_or_else(|| CarrierError::BadName {
        name: name.to_owned(),
        kind,
        what,
        rule: "letters, digits and any of !#%&'*+-.^_`|~",
    })
}

/// The unreserved characters of RFC 3986 section 2.3: what an app writes into its own links.
fn plain(name: &str, kind: &'static str, what: &'static str) -> Result<String, CarrierError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    named(name, allowed).ok_or_else(|| CarrierError::BadName {
        name: name.to_owned(),
        kind,
        what,
        rule: "letters, digits and any of -._~",
    })
}

fn named(name: &str, allowed: impl Fn(u8) -> bool) -> Option<String> {
    (!name.is_empty() && name.bytes().all(allowed)).then(|| name.to_owned())
}

/// Other characters than these never reach an app: CGI folds them into `_` (see the head filter).
fn header(name: &str) -> Result<HeaderName, CarrierError> {
    let bad = || CarrierError::BadName {
        name: name.to_owned(),
        kind: "header",
        what: "the name of a header",
        rule: "letters, digits and `-`",
    };
    let plain = named(name, |byte| byte.is_ascii_alphanumeric() || byte == b'-').ok_or_else(bad)?;
    let header = HeaderName::try_from(plain).map_err(|_| bad())?;
    let instead = match header {
        COOKIE => "cookie:NAME",
        AUTHORIZATION => "authorization:SCHEME",
        _ => return Ok(header),
    };
    Err(CarrierError::OwnCarrier { header, instead })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::Carrier;

    #[test]
    fn every_carrier_is_shown_as_it_is_written() {
        for text in [
            "cookie:JSESSIONID",
            "cookie:.ASPXAUTH",
            "cookie:__Host-sid",
            "path:jsessionid",
            "query:PHPSESSID",
            "authorization:Token",
            "header:x-auth-token",
        ] {
            let carrier: Carrier = text.parse().unwrap();
            assert_eq!(carrier.to_string(), text);
        }
    }

    #[test]
    fn a_header_name_has_no_case() {
        assert_eq!(
            "header:X-Auth".parse::<Carrier>(),
            "header:x-auth".parse::<Carrier>()
        );
    }

    #[test]
    fn an_error_says_what_to_write() {
        for (text, said) in [
            ("JSESSIONID", "write `cookie:NAME`, `path:NAME`"),
            ("", "write `cookie:NAME`"),
            (
                "cooky:a",
                "`cooky` is no place where an id travels; write `cookie:NAME`",
            ),
            ("Cookie:a", "`Cookie` is no place"),
            (
                "cookie:",
                "`` cannot be the name of a cookie; write `cookie:` and letters",
            ),
            ("cookie:a b", "`a b` cannot be the name of a cookie"),
            ("cookie:$a", "`$a` cannot be the name of a cookie"),
            ("cookie:größe", "`größe` cannot be the name of a cookie"),
            ("path:a;b", "`a;b` cannot be the name of a path parameter"),
            ("query:a=b", "`a=b` cannot be the name of a query parameter"),
            (
                "authorization:To ken",
                "`To ken` cannot be a scheme of Authorization",
            ),
            (
                "header:x_auth",
                "`x_auth` cannot be the name of a header; write `header:` and letters, digits and `-`",
            ),
            (
                "header:Cookie",
                "the header `cookie` has its own carrier; write `cookie:NAME`",
            ),
            ("header:authorization", "write `authorization:SCHEME`"),
        ] {
            let error = text.parse::<Carrier>().unwrap_err().to_string();
            assert!(error.contains(said), "{text:?} gave {error:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_comes_back(text in "(cookie|path|query|authorization|header):[ -~]{0,8}") {
            if let Ok(carrier) = text.parse::<Carrier>() {
                prop_assert_eq!(carrier.to_string().parse::<Carrier>(), Ok(carrier));
            }
        }
    }
}
