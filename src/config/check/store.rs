//! Where sessions are kept.

use std::time::Duration;

use http::uri::Authority;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Checker;
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::RawStore;
use crate::config::{RedisConfig, Secret, StoreConfig};

/// A refusal must reach the client within 250 ms of the store's silence; a longer deadline breaks
/// that, a much longer one piles up requests.
const DEADLINE_MAX: Duration = Duration::from_secs(5);

impl Checker<'_> {
    pub(super) fn store(&self, raw: Option<&At<RawStore>>) -> Option<StoreConfig> {
        let told = raw.map(|raw| &raw.value);
        let sessions_max = self.count(
            told.and_then(|told| told.sessions_max.as_ref()),
            defaults::STORE_SESSIONS_MAX,
        );
        let url = told.and_then(|told| told.url.as_ref());
        match (told, url) {
            (Some(told), Some(url)) if url.value != defaults::STORE_URL => {
                self.redis(told, url).map(StoreConfig::Redis)
            }
            _ => {
                if let Some(told) = told {
                    self.memory_needs_no_redis(told);
                }
                Some(StoreConfig::Memory { sessions_max })
            }
        }
    }

    fn memory_needs_no_redis(&self, told: &RawStore) {
        for setting in [&told.password_file, &told.ca_file].into_iter().flatten() {
            let message = "only a store in Redis has one, and `url` names none";
            let help = "write url = \"redis://HOST:6379\"";
            self.error(Code::Contradiction, &setting.place, message, help);
        }
    }

    fn redis(&self, told: &RawStore, url: &At<String>) -> Option<RedisConfig> {
        let deadline = told.deadline.as_ref();
        if let Some(deadline) = deadline.filter(|deadline| deadline.value.0 > DEADLINE_MAX) {
            let message = "requests would wait that long for a store that is down";
            self.error(
                Code::DurationRange,
                &deadline.place,
                message,
                "write at most \"5s\"",
            );
        }
        let location = self.redis_url(url, told.password_file.as_ref());
        if location.is_some() && told.keys_file.is_none() && told.keys.is_none() {
            let fault = Fault::error(
                Code::MissingKey,
                &url.place,
                "a store that outlives the process needs keys that do",
            );
            let help = "write keys_file = \"session.keys\"; make a key with `openssl rand -hex 32`";
            self.findings.push(fault.help(help));
        }
        if let Some(sessions) = &told.sessions_max {
            let message = "Redis bounds itself by `maxmemory`; this bounds `memory:` alone";
            self.error(
                Code::Contradiction,
                &sessions.place,
                message,
                "leave it out",
            );
        }
        let ca = self.readable(told.ca_file.as_ref());
        Some(RedisConfig {
            url: location?,
            ca: ca.ok()?,
            deadline: deadline.map_or(defaults::STORE_DEADLINE, |deadline| deadline.value.0),
        })
    }

    fn redis_url(&self, told: &At<String>, password_file: Option<&At<String>>) -> Option<Secret> {
        let password = self.secret(password_file, None);
        let Some(url) = RedisUrl::parse(&told.value) else {
            let fault = Fault::error(Code::Address, &told.place, "no store that is known");
            self.findings.push(fault.help(
                "write \"memory:\", \"redis://HOST:6379\", \"redis://USER@HOST:6379/0\" or \"rediss://HOST:6380\"",
            ));
            return None;
        };
        if url.password.is_some() {
            self.inline_password(told, password_file);
        }
        let password = password.ok()?;
        let password = password.map(|password| password.secret.trim().to_owned());
        Some(Secret::new(url.with_password(password.as_deref())))
    }

    fn inline_password(&self, told: &At<String>, password_file: Option<&At<String>>) {
        match password_file {
            Some(file) => self.findings.push(
                Fault::error(
                    Code::Contradiction,
                    &file.place,
                    "`url` holds a password as well",
                )
                .other(&told.place, "a password is here")
                .help("leave it out of `url`"),
            ),
            None => self.findings.push(
                Fault::warning(
                    Code::ExposedSecret,
                    &told.place,
                    "a password stands in the configuration",
                )
                .help("write password_file = \"redis.password\", and `url` without it"),
            ),
        }
    }
}

/// A URL of Redis, in its parts as they are written.
struct RedisUrl<'a> {
    scheme: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    host: &'a str,
    database: &'a str,
}

impl<'a> RedisUrl<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user, None),
        };
        let known = matches!(scheme, "redis" | "rediss");
        let at_host = host
            .parse::<Authority>()
            .is_ok_and(|host| !host.host().is_empty());
        let numbered = database.bytes().all(|byte| byte.is_ascii_digit());
        let fits = known && at_host && !host.ends_with(':') && numbered;
        fits.then_some(Self {
            scheme,
            user,
            password,
            host,
            database,
        })
    }

    /// The URL with a password of its own in place of the one it holds.
    fn with_password(&self, password: Option<&str>) -> String {
        let password = match password {
            Some(password) => Some(utf8_percent_encode(password, NON_ALPHANUMERIC).to_string()),
            None => self.password.map(str::to_owned),
        };
        let credentials = match (self.user, password) {
            ("", None) => String::new(),
            (user, None) => format!("{user}@"),
            (user, Some(password)) => format!("{user}:{password}@"),
        };
        let Self {
            scheme,
            host,
            database,
            ..
        } = self;
        format!("{scheme}://{credentials}{host}/{database}")
    }
}

#[cfg(test)]
mod tests {
    use super::RedisUrl;

    #[test]
    fn a_password_from_a_file_is_encoded_into_the_url() {
        for (url, password, whole) in [
            ("redis://h:1", None, "redis://h:1/"),
            ("redis://h:1/2", Some("a/b"), "redis://:a%2Fb@h:1/2"),
            ("rediss://u@h", Some("p@"), "rediss://u:p%40@h/"),
            ("redis://u:old@h", None, "redis://u:old@h/"),
            ("redis://[::1]:6379/0", None, "redis://[::1]:6379/0"),
        ] {
            let parsed = RedisUrl::parse(url).unwrap();
            assert_eq!(parsed.with_password(password), whole, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_redis_is_none() {
        for url in [
            "redis:",
            "redis://",
            "http://h",
            "redis://h/x",
            "redis://h:",
            "redis://a b",
        ] {
            assert!(RedisUrl::parse(url).is_none(), "{url}");
        }
    }
}
