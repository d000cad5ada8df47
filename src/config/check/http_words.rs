//! Words of HTTP: methods, headers, cookie names, statuses.

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Checker;
use crate::config::fault::{At, Code, Fault};
use crate::config::reader::Pairs;
use crate::config::suggest::nearest;
use crate::config::value::Scalar;

/// The methods that applications answer to (RFC 9110, RFC 5789). CONNECT and TRACE never reach one.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// In a table of conditions: must be there, whatever its value.
const ANY: &str = "*";

/// A name, and its value where only one is meant.
type Condition<N, V> = (N, Option<V>);

impl Checker<'_> {
    pub(super) fn methods(&self, list: &[At<String>]) -> Vec<Method> {
        self.no_duplicates(
            list.iter().map(|method| (&method.value, &method.place)),
            "write it once",
        );
        list.iter().filter_map(|told| self.method(told)).collect()
    }

    fn method(&self, told: &At<String>) -> Option<Method> {
        if METHODS.contains(&told.value.as_str()) {
            return Method::from_bytes(told.value.as_bytes()).ok();
        }
        let help = match nearest(&told.value, METHODS) {
            Some(near) => format!("write {near:?}"),
            None => format!("write one of {}", METHODS.join(", ")),
        };
        let message = format!("{:?} is no method that an app answers to", told.value);
        self.error(Code::Http, &told.place, message, &help);
        None
    }

    pub(super) fn header_name(&self, told: &At<String>) -> Option<HeaderName> {
        let name = HeaderName::try_from(&told.value).ok();
        if name.is_none() {
            let message = format!("{:?} is no name of a header", told.value);
            let help = "write letters, digits and `-`";
            self.error(Code::Http, &told.place, message, help);
        }
        name
    }

    pub(super) fn header_value(&self, told: &At<String>) -> Option<HeaderValue> {
        let value = HeaderValue::try_from(&told.value).ok();
        if value.is_none() {
            let message = "a header cannot hold this";
            let help = "leave out line breaks and control characters";
            self.error(Code::Http, &told.place, message, help);
        }
        value
    }

    /// The name of a cookie: a token (RFC 6265, 4.1.1).
    pub(super) fn cookie_name(&self, told: &At<String>) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !told.value.is_empty() && told.value.bytes().all(allowed) {
            return Some(told.value.clone());
        }
        let message = format!("{:?} is no name of a cookie", told.value);
        let help = match told.value.strip_prefix("cookie:") {
            Some(name) => format!("write {name:?}; only cookies can stand here"),
            None => "write the name alone, like \"remember-me\"".to_owned(),
        };
        self.error(Code::Http, &told.place, message, &help);
        None
    }

    pub(super) fn status(&self, told: &At<u64>) -> Option<StatusCode> {
        let status = u16::try_from(told.value)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .filter(|status| (200..600).contains(&status.as_u16()));
        if status.is_none() {
            let message = format!("{} is no status of an answer", told.value);
            self.error(Code::Http, &told.place, message, "write 200 to 599");
        }
        status
    }

    pub(super) fn statuses(&self, list: &[At<u64>]) -> Vec<StatusCode> {
        list.iter().filter_map(|told| self.status(told)).collect()
    }

    pub(super) fn header_conditions(
        &self,
        pairs: Option<&Pairs<String>>,
    ) -> Vec<Condition<HeaderName, String>> {
        let conditions = listed(pairs).iter().filter_map(|(name, value)| {
            self.header_value(value)?;
            Some((self.header_name(name)?, unless_any(&value.value)))
        });
        conditions.collect()
    }

    pub(super) fn query_conditions(
        &self,
        pairs: Option<&Pairs<String>>,
    ) -> Vec<Condition<String, String>> {
        let conditions = listed(pairs)
            .iter()
            .map(|(name, value)| (name.value.clone(), unless_any(&value.value)));
        conditions.collect()
    }

    pub(super) fn json_conditions(
        &self,
        pairs: Option<&Pairs<Scalar>>,
    ) -> Vec<Condition<String, serde_json::Value>> {
        let conditions = listed(pairs).iter().filter_map(|(pointer, value)| {
            let told = &value.value.0;
            let pointer = self.json_pointer(pointer, &pointer.value)?;
            Some((pointer, (told != ANY).then(|| told.clone())))
        });
        conditions.collect()
    }

    /// A JSON pointer (RFC 6901): empty, or segments that each begin with a slash.
    pub(super) fn json_pointer(&self, told: &At<String>, pointer: &str) -> Option<String> {
        let escapes = pointer.split('~').skip(1);
        let escaped = escapes.clone().all(|rest| rest.starts_with(['0', '1']));
        if escaped && (pointer.is_empty() || pointer.starts_with('/')) {
            return Some(pointer.to_owned());
        }
        let message = format!("{pointer:?} is no JSON pointer");
        let fault = Fault::error(Code::Extractor, &told.place, message);
        let help = match pointer.strip_prefix('$').unwrap_or(pointer) {
            path if escaped => format!(
                "write {:?}",
                format!("/{}", path.trim_start_matches('.').replace('.', "/"))
            ),
            _ => "write `~0` for `~` and `~1` for `/` within a name".to_owned(),
        };
        self.findings.push(fault.help(help));
        None
    }
}

fn listed<T>(pairs: Option<&Pairs<T>>) -> &[(At<String>, At<T>)] {
    pairs.map_or(&[], |pairs| pairs.value.as_slice())
}

fn unless_any(value: &str) -> Option<String> {
    (value != ANY).then(|| value.to_owned())
}
