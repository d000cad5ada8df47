//! How an app's session looks on the wire.

use super::{Checker, every, items};
use crate::config::app::{ExpireAt, Source};
use crate::config::carrier::{AuthorizationRule, Carrier, SessionShape};
use crate::config::fault::{At, Code};
use crate::config::raw::app::{RawExpireAt, RawSession};

/// How a carrier begins that is a cookie.
const COOKIE: &str = "cookie:";

impl Checker<'_> {
    pub(super) fn shape(&self, raw: &RawSession) -> Option<SessionShape> {
        let also = items(raw.also.as_ref());
        let told: Vec<&At<String>> = raw.id.iter().chain(also).collect();
        // Cookies among them are looked at with the other cookies.
        let others = told.iter().filter(|told| !told.value.starts_with(COOKIE));
        self.no_duplicates(
            others.map(|told| (&told.value, &told.place)),
            "name each carrier once",
        );
        let carriers = every(&told, |told| self.carrier(told));
        let group = self.cookies(items(raw.group.as_ref()));
        let auth_cookies = self.cookies(items(raw.auth_cookies.as_ref()));
        self.one_part_for_each_cookie(raw);
        raw.id.as_ref()?;
        Some(SessionShape {
            carriers: with_implied(carriers?),
            group,
            auth_cookies,
            authorization: raw
                .authorization
                .as_ref()
                .map_or(AuthorizationRule::Strip, |told| told.value.0),
        })
    }

    fn carrier(&self, told: &At<String>) -> Option<Carrier> {
        match told.value.parse() {
            Ok(carrier) => Some(carrier),
            Err(error) => {
                let error = error.to_string();
                let (message, forms) = error.split_once("; ").unwrap_or((&error, ""));
                let help = match told.value.contains(':') {
                    true => forms.to_owned(),
                    false => format!("write \"{COOKIE}{}\" if it is a cookie", told.value),
                };
                self.error(Code::Carrier, &told.place, message, &help);
                None
            }
        }
    }

    fn cookies(&self, list: &[At<String>]) -> Vec<String> {
        list.iter()
            .filter_map(|told| self.cookie_name(told))
            .collect()
    }

    /// A cookie carries the id, belongs to its group or logs in by itself: one of them.
    fn one_part_for_each_cookie(&self, raw: &RawSession) {
        let carriers: Vec<At<String>> = raw
            .id
            .iter()
            .chain(items(raw.also.as_ref()))
            .filter_map(|told| {
                let value = told.value.strip_prefix(COOKIE)?.to_owned();
                let place = told.place.clone();
                Some(At { value, place })
            })
            .collect();
        let cookies = carriers
            .iter()
            .chain(items(raw.group.as_ref()))
            .chain(items(raw.auth_cookies.as_ref()));
        self.no_duplicates(
            cookies.map(|told| (&told.value, &told.place)),
            "a cookie has one part: the id, the group or auth_cookies",
        );
    }

    /// Where else the app announces an id: in what only an answer holds.
    pub(super) fn issued(&self, raw: &RawSession) -> Vec<Source> {
        let told = items(raw.issued.as_ref());
        let sources = told.iter().filter_map(|told| {
            let extractor = self.extractor(told)?;
            let (message, help) = match extractor.source {
                _ if extractor.claim.is_some() => (
                    "an id is the whole of what the app announces",
                    "write \"answer-header:NAME\" or \"answer-json:/POINTER\"",
                ),
                source @ (Source::AnswerHeader(_) | Source::AnswerJson(_)) => return Some(source),
                Source::AnswerCookie { .. } => (
                    "a Set-Cookie announces an id by itself",
                    "write the cookie into `id` or `also`",
                ),
                _ => (
                    "an app announces an id in its answer, not in a request",
                    "write \"answer-header:NAME\" or \"answer-json:/POINTER\"",
                ),
            };
            self.error(Code::Extractor, &told.place, message, help);
            None
        });
        sources.collect()
    }

    pub(super) fn expire_at(&self, raw: &[At<RawExpireAt>]) -> Vec<ExpireAt> {
        raw.iter()
            .filter_map(|raw| {
                let path = raw.value.path.as_ref()?;
                let attribute = |text: &str| !text.contains(|c: char| c == ';' || c.is_control());
                if !path.value.starts_with('/') || !attribute(&path.value) {
                    let message = format!("{:?} is no Path of a cookie", path.value);
                    self.error(Code::Path, &path.place, message, "write \"/\" or \"/app\"");
                    return None;
                }
                let domain = raw.value.domain.as_ref();
                if let Some(told) = domain.filter(|told| !attribute(&told.value)) {
                    let message = format!("{:?} is no Domain of a cookie", told.value);
                    self.error(Code::Address, &told.place, message, "write \"example.com\"");
                    return None;
                }
                Some(ExpireAt {
                    path: path.value.clone(),
                    domain: domain.map(|told| told.value.clone()),
                })
            })
            .collect()
    }
}

/// The carriers, and those by which a server of that cookie's kind reads the id as well unless it
/// is told not to: Servlet containers a path parameter (Servlet 6.0, 7.1.3), PHP a query parameter
/// (`session.use_only_cookies`). An id that is not looked for would pass ungated.
fn with_implied(mut carriers: Vec<Carrier>) -> Vec<Carrier> {
    let implied = [
        (
            Carrier::Cookie("JSESSIONID".to_owned()),
            Carrier::PathParameter("jsessionid".to_owned()),
        ),
        (
            Carrier::Cookie("PHPSESSID".to_owned()),
            Carrier::Query("PHPSESSID".to_owned()),
        ),
    ];
    for (cookie, also) in implied {
        if carriers.contains(&cookie) && !carriers.contains(&also) {
            carriers.push(also);
        }
    }
    carriers
}

#[cfg(test)]
mod tests {
    use super::with_implied;
    use crate::config::carrier::Carrier;

    #[test]
    fn a_servlet_and_a_php_cookie_bring_the_carriers_their_servers_read_too() {
        let cookie = |name: &str| Carrier::Cookie(name.to_owned());
        let path = Carrier::PathParameter("jsessionid".to_owned());
        assert_eq!(
            with_implied(vec![cookie("JSESSIONID")]),
            [cookie("JSESSIONID"), path.clone()]
        );
        assert_eq!(
            with_implied(vec![path.clone(), cookie("JSESSIONID")]),
            [path, cookie("JSESSIONID")]
        );
        assert_eq!(
            with_implied(vec![cookie("PHPSESSID")]),
            [cookie("PHPSESSID"), Carrier::Query("PHPSESSID".to_owned())]
        );
        assert_eq!(with_implied(vec![cookie("SID")]), [cookie("SID")]);
    }
}
