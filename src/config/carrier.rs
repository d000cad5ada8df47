//! How an app's session looks on the wire.

/// Where an id of the slot travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A cookie of this name.
    Cookie(String),
    /// A path parameter of this name, such as `;jsessionid=`.
    PathParameter(String),
    /// A query parameter of this name.
    Query(String),
    /// The credentials of this scheme in `Authorization`.
    Authorization(String),
    /// A header of this name.
    Header(http::HeaderName),
}

/// How an app's session looks on the wire.
#[derive(Debug, Clone)]
pub struct SessionShape {
    /// Where its id travels; the first is the slot's own.
    pub carriers: Vec<Carrier>,
    /// The cookies that accompany the id.
    pub group: Vec<String>,
    /// Cookies that log in again by themselves, and die with the session.
    pub auth_cookies: Vec<String>,
    /// What becomes of `Authorization` where it is no carrier.
    pub authorization: AuthorizationRule,
}

/// What becomes of `Authorization` where it is no carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationRule {
    /// It is removed where a route needs a session: Basic or Negotiate would log in in silence.
    Strip,
    /// It is passed on.
    Pass,
}
