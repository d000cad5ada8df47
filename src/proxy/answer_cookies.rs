//! What an answer does to the cookies that matter to its app, held beyond the answer's head.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::domain::session::CookieScope;

use super::set_cookie;

/// The cookies of one answer, of each name, path and domain the last.
#[derive(Default)]
pub(crate) struct AnswerCookies(Vec<AnswerCookie>);

struct AnswerCookie {
    scope: CookieScope,
    value: Box<[u8]>,
    deletes: bool,
}

impl AnswerCookies {
    /// Reads the cookies of these names that an answer sets or deletes. `request_path` gives those
    /// without a Path theirs (RFC 6265, 5.1.4).
    pub(crate) fn read(
        headers: &HeaderMap,
        names: &[String],
        request_path: &str,
        now: impl FnOnce() -> SystemTime,
    ) -> Self {
        if !headers.contains_key(SET_COOKIE) {
            return Self::default();
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let default_path = directory(request_path);
        let cookies = set_cookie::last_of(headers, &names, &default_path, now()).into_iter();
        let owned = cookies.map(|cookie| AnswerCookie {
            scope: CookieScope {
                name: cookie.name.into(),
                path: Some(cookie.path.unwrap_or(&default_path).into()),
                domain: cookie.domain.map(Arc::from),
            },
            value: cookie.value.as_bytes().into(),
            deletes: cookie.deletes,
        });
        Self(owned.collect())
    }

    /// Whether it touches any of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that the browser has for this name afterwards, where the answer set one.
    pub(crate) fn value_of(&self, name: &str) -> Option<&[u8]> {
        let mut set = self.0.iter().filter(|cookie| !cookie.deletes);
        set.rfind(|cookie| *cookie.scope.name == *name)
            .map(|cookie| &*cookie.value)
    }

    /// Whether all that the answer did to this name was to delete it.
    pub(crate) fn deletes(&self, name: &str) -> bool {
        self.value_of(name).is_none() && self.0.iter().any(|cookie| *cookie.scope.name == *name)
    }

    /// Where it set the cookies that are `owned`.
    pub(crate) fn scopes(
        &self,
        owned: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &CookieScope> {
        let set = self.0.iter().filter(|cookie| !cookie.deletes);
        set.map(|cookie| &cookie.scope)
            .filter(move |scope| owned(&scope.name))
    }

    /// Whether it sets a cookie at this very scope; one without a Path is the whole host's.
    pub(crate) fn sets_at(&self, scope: &CookieScope) -> bool {
        let path = scope.path.as_deref().unwrap_or("/");
        self.0.iter().any(|cookie| {
            !cookie.deletes
                && cookie.scope.name == scope.name
                && cookie.scope.path.as_deref() == Some(path)
                && cookie.scope.domain == scope.domain
        })
    }
}

/// The default path of a cookie: the request's path up to, but not with, its last slash; without
/// path parameters, in which an id may stand that must not be kept.
fn directory(request_path: &str) -> String {
    let segments = request_path
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or(""));
    let path = segments.collect::<Vec<_>>().join("/");
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use http::HeaderMap;
    use http::header::SET_COOKIE;

    use super::{AnswerCookies, CookieScope};

    fn read(set: &[&str]) -> AnswerCookies {
        let mut headers = HeaderMap::new();
        for value in set {
            headers.append(SET_COOKIE, value.parse().unwrap());
        }
        let names = ["SID".to_owned(), "SIG".to_owned()];
        AnswerCookies::read(&headers, &names, "/app/login", || SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn deleting_and_setting_in_one_answer_is_setting() {
        let cookies = read(&["SID=; Max-Age=0", "SID=a:b==; Path=/app", "csrf=1"]);
        assert_eq!(cookies.value_of("SID"), Some(b"a:b==".as_slice()));
        assert!(!cookies.deletes("SID"));
    }

    #[test]
    fn setting_and_then_deleting_is_deleting() {
        let cookies = read(&["SID=a", "SID=; Max-Age=0"]);
        assert_eq!(cookies.value_of("SID"), None);
        assert!(cookies.deletes("SID"));
        assert!(!cookies.deletes("SIG"));
    }

    #[test]
    fn a_cookie_is_the_same_with_its_path_named_and_without() {
        let cookies = read(&[
            "SID=a",
            "SID=; Path=/app; Max-Age=0",
            "SIG=; Path=/app",
            "SIG=b",
        ]);
        assert_eq!(cookies.value_of("SID"), None);
        assert!(cookies.deletes("SID"));
        assert_eq!(cookies.value_of("SIG"), Some(b"b".as_slice()));
    }

    #[test]
    fn a_cookie_without_a_path_belongs_to_the_directory_of_the_request() {
        let cookies = read(&["SID=a", "SIG=b; Path=/; Domain=.example.com"]);
        let scopes: Vec<_> = cookies
            .scopes(|_| true)
            .map(|scope| (&*scope.name, scope.path.as_deref(), scope.domain.as_deref()))
            .collect();
        assert_eq!(
            scopes,
            [
                ("SID", Some("/app"), None),
                ("SIG", Some("/"), Some("example.com"))
            ]
        );
    }

    #[test]
    fn a_scope_without_a_path_is_that_of_the_whole_host() {
        let cookies = read(&["SID=a; Path=/", "SIG=b; Path=/x"]);
        let at = |name: &str, path: Option<&str>| {
            let scope = CookieScope {
                name: name.into(),
                path: path.map(Arc::from),
                domain: None,
            };
            cookies.sets_at(&scope)
        };
        assert!(at("SID", Some("/")) && at("SID", None));
        assert!(at("SIG", Some("/x")) && !at("SIG", None));
        assert!(!at("SID", Some("/x")));
    }

    #[test]
    fn an_id_in_the_path_is_not_kept_as_a_scope() {
        assert_eq!(super::directory("/app;jsessionid=A1/x;y=1/login"), "/app/x");
        assert_eq!(super::directory("/login;jsessionid=A1"), "/");
    }
}
