//! Login recipes: what a request that tries to log in tells, and whether its answer says success.

use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, header, response};
use serde_json::Value;

use crate::config::app::{Extractor, LoginRecipe, LogoutRecipe, Source, Success};
use crate::domain::session::UserName;

use super::answer_cookies::AnswerCookies;
use super::extracted::Extracted;
use super::form::Fields;
use super::json::Json;
use super::{claim, cookies};

/// Groups that are taken from one login.
const GROUPS_MAX: usize = 64;

/// Bytes of one group's name.
const GROUP_BYTES_MAX: usize = 128;

/// The part of a request that recipes read.
pub(crate) struct RequestView<'a> {
    pub(crate) parts: &'a Parts,
    /// The body, where it was held.
    pub(crate) body: &'a [u8],
    /// Whether it comes from a trusted peer: from all others a header is whatever the client wrote.
    pub(crate) is_trusted: bool,
}

/// A request that tries to log in.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The recipe's place in the app's list.
    pub(crate) recipe: usize,
    user: Extracted,
    groups: Extracted,
}

/// What a successful login told of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) user: Option<UserName>,
    pub(crate) groups: Vec<String>,
    /// Something was there that could not be believed: the strictest role, and an event.
    pub(crate) malformed: bool,
}

/// Whether any of these recipes must read the request's body.
pub(crate) fn reads_request(recipes: &[&LoginRecipe]) -> bool {
    recipes.iter().any(|recipe| {
        let in_body = |extractor: &Option<Extractor>| {
            let source = extractor.as_ref().map(|extractor| &extractor.source);
            matches!(source, Some(Source::Form(_) | Source::Json(_)))
        };
        !recipe.json.is_empty() || in_body(&recipe.user) || in_body(&recipe.groups)
    })
}

/// Whether this recipe must read the answer's body.
pub(crate) fn reads_answer(recipe: &LoginRecipe, issued: &[Source]) -> bool {
    let told = recipe.user.iter().chain(&recipe.groups);
    !recipe.success.json.is_empty()
        || told
            .map(|extractor| &extractor.source)
            .chain(issued)
            .any(|source| matches!(source, Source::AnswerJson(_)))
}

/// The recipe that a request is trying, of those whose path and method match it.
pub(crate) fn attempt(
    recipes: &[LoginRecipe],
    candidates: &[usize],
    request: &RequestView<'_>,
) -> Option<Attempt> {
    if candidates.is_empty() {
        return None;
    }
    let json = Json::read(request.body);
    let index = candidates.iter().copied().find(|index| {
        let fields = &recipes[*index].json;
        fields.is_empty() || json.said().is_some_and(|json| holds(json, fields))
    })?;
    let recipe = &recipes[index];
    let from = |extractor: &Option<Extractor>| match extractor {
        Some(extractor) => request.find(extractor, &json),
        None => Extracted::Absent,
    };
    Some(Attempt {
        recipe: index,
        user: from(&recipe.user),
        groups: from(&recipe.groups),
    })
}

pub(super) fn holds(json: &Value, fields: &[(String, Option<Value>)]) -> bool {
    fields.iter().all(|(pointer, wanted)| {
        json.pointer(pointer)
            .is_some_and(|found| wanted.as_ref().is_none_or(|wanted| found == wanted))
    })
}

impl RequestView<'_> {
    /// What an extractor finds in this request; nothing where it looks into answers.
    fn find(&self, extractor: &Extractor, json: &Json) -> Extracted {
        let found = self.find_in(&extractor.source, json);
        claim::read(found, extractor.claim.as_deref())
    }

    fn find_in(&self, source: &Source, json: &Json) -> Extracted {
        let fields = || Fields::of(self.parts, self.body);
        match source {
            Source::Form(name) => fields().in_form(name),
            Source::Query(name) => fields().in_query(name),
            Source::Json(_) if *json == Json::Doubtful => Extracted::Malformed,
            Source::Json(pointer) => Extracted::in_json(json.said(), pointer),
            Source::Header(name) => {
                self.if_trusted(Extracted::in_headers(&self.parts.headers, name))
            }
            Source::Cookie(name) => self.if_trusted(cookies::only(&self.parts.headers, name)),
            Source::AnswerHeader(_) | Source::AnswerJson(_) | Source::AnswerCookie { .. } => {
                Extracted::Absent
            }
        }
    }

    /// What was found where anybody can write: not believed, unless a trusted peer vouches for it.
    fn if_trusted(&self, found: Extracted) -> Extracted {
        match found {
            Extracted::Values(_) if !self.is_trusted => Extracted::Malformed,
            found => found,
        }
    }
}

/// The part of an answer that recipes read.
pub(crate) struct AnswerView<'a> {
    pub(crate) parts: &'a response::Parts,
    pub(crate) cookies: &'a AnswerCookies,
    /// The path that was asked for.
    pub(crate) asked_path: &'a str,
    /// The JSON body, where it was held and is JSON.
    pub(crate) json: Option<&'a Value>,
}

impl AnswerView<'_> {
    /// What an extractor finds in this answer; nothing where it looks into requests.
    fn find(&self, extractor: &Extractor) -> Extracted {
        let found = self.find_in(&extractor.source);
        claim::read(found, extractor.claim.as_deref())
    }

    /// What stands at a place of this answer.
    pub(crate) fn find_in(&self, source: &Source) -> Extracted {
        match source {
            Source::AnswerHeader(name) => Extracted::in_headers(&self.parts.headers, name),
            Source::AnswerJson(pointer) => Extracted::in_json(self.json, pointer),
            Source::AnswerCookie { name, part } => self.cookie_part(name, *part),
            Source::Form(_)
            | Source::Query(_)
            | Source::Json(_)
            | Source::Header(_)
            | Source::Cookie(_) => Extracted::Absent,
        }
    }

    fn cookie_part(&self, name: &str, part: Option<(char, usize)>) -> Extracted {
        let Some(value) = self.cookies.value_of(name) else {
            return Extracted::Absent;
        };
        let Ok(text) = std::str::from_utf8(value) else {
            return Extracted::Malformed;
        };
        let text = match part {
            None => Some(text),
            Some((separator, index)) => text.split(separator).nth(index),
        };
        text.map_or(Extracted::Malformed, |text| {
            Extracted::Values(vec![text.to_owned()])
        })
    }

    /// Whether the answer says that a login succeeded; whether it issued a new id, the caller
    /// knows.
    pub(crate) fn tells_success(&self, success: &Success, new_id: bool) -> bool {
        let location = || location_target(&self.parts.headers, self.asked_path);
        success.status.contains(&self.parts.status)
            && (!success.new_session || new_id)
            && success
                .location
                .as_ref()
                .is_none_or(|wanted| location().is_some_and(|path| wanted.matches_target(&path)))
            && success.location_not.as_ref().is_none_or(|unwanted| {
                location().is_none_or(|path| !unwanted.matches_target(&path))
            })
            && success
                .cookie
                .as_ref()
                .is_none_or(|name| self.cookies.value_of(name).is_some())
            && success
                .header
                .as_ref()
                .is_none_or(|(name, value)| self.has_header(name, value))
            && (success.json.is_empty() || self.json.is_some_and(|json| holds(json, &success.json)))
    }

    /// Whether the answer says that a logout succeeded.
    pub(crate) fn tells_logout(&self, recipe: &LogoutRecipe) -> bool {
        if recipe.status.is_empty() {
            self.parts.status < StatusCode::BAD_REQUEST
        } else {
            recipe.status.contains(&self.parts.status)
        }
    }

    fn has_header(&self, name: &HeaderName, value: &Option<String>) -> bool {
        self.parts.headers.get_all(name).iter().any(|found| {
            value
                .as_ref()
                .is_none_or(|value| found.as_bytes() == value.as_bytes())
        })
    }
}

/// The path, with the query, that `Location` leads to from a request's path (RFC 9110, 10.2.2;
/// RFC 3986, 5.2); without path parameters, in which an app may write its id, and without a
/// fragment.
fn location_target(headers: &HeaderMap, from: &str) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let location = location.split('#').next().unwrap_or(location);
    let target = match location.split_once("//") {
        // With an authority: `https://host/path`, or `//host/path`.
        Some((scheme, rest)) if scheme.is_empty() || is_scheme(scheme) => {
            rest.find('/').map_or("/", |path| &rest[path..]).to_owned()
        }
        _ if location.starts_with('/') => location.to_owned(),
        _ if location.starts_with('?') => format!("{from}{location}"),
        _ => {
            let directory = from.rfind('/').map_or("/", |end| &from[..=end]);
            format!("{directory}{location}")
        }
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target.as_str(), None),
    };
    let path = path.split(';').next().unwrap_or(path);
    Some(match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Whether this is a URI's scheme with its colon.
fn is_scheme(text: &str) -> bool {
    text.strip_suffix(':')
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl Attempt {
    /// What a login that succeeded tells: what the request said, or else what the answer says.
    pub(crate) fn told(&self, recipe: &LoginRecipe, answer: &AnswerView<'_>) -> Told {
        let of = |requested: &Extracted, extractor: &Option<Extractor>| match (requested, extractor)
        {
            (Extracted::Absent, Some(extractor)) => answer.find(extractor),
            (found, _) => found.clone(),
        };
        let user = of(&self.user, &recipe.user);
        let groups = of(&self.groups, &recipe.groups);
        let wanted_user = recipe.user.is_some();
        let name = match &user {
            Extracted::Values(values) if values.len() == 1 => UserName::new(&values[0]),
            Extracted::Values(_) | Extracted::Absent | Extracted::Malformed => None,
        };
        let groups_told = match &groups {
            Extracted::Values(values) => bounded_groups(values),
            Extracted::Absent => Some(Vec::new()),
            Extracted::Malformed => None,
        };
        let malformed = (wanted_user && name.is_none()) || groups_told.is_none();
        if malformed {
            return Told {
                user: name,
                groups: Vec::new(),
                malformed,
            };
        }
        Told {
            user: name,
            groups: groups_told.unwrap_or_default(),
            malformed,
        }
    }
}

fn bounded_groups(values: &[String]) -> Option<Vec<String>> {
    let fits = values.len() <= GROUPS_MAX && values.iter().all(|v| v.len() <= GROUP_BYTES_MAX);
    fits.then(|| values.to_vec())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::LOCATION;

    use super::location_target;

    #[track_caller]
    fn leads(location: &str, to: &str) {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        assert_eq!(
            location_target(&headers, "/app/login").as_deref(),
            Some(to),
            "{location}"
        );
    }

    #[test]
    fn a_location_of_any_form_leads_to_a_path() {
        leads("/home", "/home");
        leads("/home;jsessionid=A1?x=1#top", "/home?x=1");
        leads("index.jsp", "/app/index.jsp");
        leads("?error", "/app/login?error");
        leads("http://host:8080/home?x", "/home?x");
        leads("//host/home", "/home");
        leads("https://host", "/");
        leads("go?to=http://elsewhere/x", "/app/go?to=http://elsewhere/x");
    }

    #[test]
    fn an_answer_without_a_location_leads_nowhere() {
        assert_eq!(location_target(&HeaderMap::new(), "/"), None);
    }
}
