//! One app.

use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Uri};

use super::limits::Rulebook;
use super::recipe::LoginContext;
use super::route::{AppPlace, fallback};
use super::{Checker, every, items};
use crate::config::app::{
    App, CustomAnswer, HostHeader, HostPattern, LoginRecipe, Refusals, Upstream,
};
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::{RawApp, RawLogin};
use crate::config::raw::refusal::{RawAnswer, RawRefusals};
use crate::domain::device::OnDeviceChange;
use crate::domain::rehearse::AppBounds;

/// The port of `http://` (RFC 9110, 4.2.1).
const HTTP_PORT: u16 = 80;

impl Checker<'_> {
    pub(super) fn app(
        &self,
        raw: &At<RawApp>,
        trusts_proxies: bool,
        rules: &mut Rulebook,
    ) -> Option<App> {
        let app = &raw.value;
        let (name, namespace) = self.names(app);
        if let Some(name) = &name {
            rules.lines.insert_app(name, self.line(&raw.place));
            let routes = app.routes.iter().map(|route| self.line(&route.place));
            rules.lines.insert_routes(name, routes.collect());
        }
        let hosts = every(items(app.hosts.as_ref()), |told| self.host(told));
        let places = items(app.hosts.as_ref()).iter().map(|told| &told.place);
        let named = hosts.iter().flatten().zip(places);
        self.no_duplicates(named, "write each host once");
        let prefix = app
            .prefix
            .as_ref()
            .map_or(Some(String::new()), |told| self.prefix(told));
        let upstreams = every(items(app.upstreams.as_ref()), |told| self.upstream(told));
        let host_header = self.host_header(app.host_header.as_ref());
        let session = app.session.as_ref().map(|session| &session.value);
        let shape = session.and_then(|session| self.shape(session));
        let issued = session.map_or(Vec::new(), |session| self.issued(session));
        let expire_at = session.map_or(Vec::new(), |session| self.expire_at(&session.expire_at));
        let context = LoginContext {
            trusts_proxies,
            group: shape.as_ref().map_or(&[], |shape| &shape.group),
        };
        let logins = self.logins(&app.logins, context);
        let logouts = every(&app.logouts, |raw| self.logout(raw));
        let told = [app.idle.as_ref(), app.absolute.as_ref()];
        let bounds = self.bounds(told);
        self.below_ceiling(told, rules.policy.ceiling);
        let fallback = fallback(app);
        let bounds = AppBounds {
            limits: bounds,
            mode: self.mode(
                app.mode.as_ref(),
                "of the limits only those of [anonymous], max_role_age and adopt_until end a session here",
            ),
        };
        let place = AppPlace {
            name: name.as_deref().unwrap_or_default(),
            bounds: bounds.limits,
            fallback,
        };
        let routes = app.routes.iter();
        let routes: Vec<_> = routes.map(|raw| self.route(raw, &place, rules)).collect();
        self.reachable(&app.routes, &routes);
        self.below_prefix(app, prefix.as_deref());
        let freshest = self.freshest(&app.routes, &logins);
        let passivity = self.passivity(app);
        let refusals = self.refusals(app.refusal.as_ref());
        self.token_is_not_issued(app, &issued);
        let shape = shape?;
        let token = self.token_carrier(app.token.as_ref(), namespace.as_deref(), &shape);
        let on_device_change = self.on_device_change(app.on_device_change.as_ref(), rules);
        let sends_back = freshest.is_some()
            || on_device_change == OnDeviceChange::Reauthenticate
            || rules
                .policy
                .roles
                .iter()
                .any(|role| role.max_role_age.is_some());
        Some(App {
            name: name?,
            namespace: namespace?,
            hosts: hosts?,
            prefix: prefix?,
            upstreams: upstreams?,
            host_header: host_header?,
            bounds,
            on_device_change,
            slot: shape.carriers.first()?.to_string().into(),
            shape,
            issued,
            expire_at,
            adopt_until: app.adopt_until.as_ref().map(|told| told.value.0),
            logins: logins?,
            logouts: logouts?,
            routes: routes.into_iter().collect::<Option<_>>()?,
            fallback,
            freshest,
            way_back: app.way_back.as_ref().map_or(sends_back, |told| told.value),
            passivity: passivity?,
            token: token?,
            refusals: refusals?,
        })
    }

    /// An app's name and its namespace.
    fn names(&self, app: &RawApp) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let name = app.name.as_ref().and_then(|told| self.label(told));
        let namespace = match &app.namespace {
            Some(told) => self.label(told),
            None => name.clone(),
        };
        (name, namespace)
    }

    fn host(&self, told: &At<String>) -> Option<HostPattern> {
        let lower = told.value.to_ascii_lowercase();
        let (suffix, name) = match lower.strip_prefix('*') {
            Some(suffix) => (true, suffix.strip_prefix('.').unwrap_or("")),
            None => (false, lower.as_str()),
        };
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._[:]".contains(&byte));
        let ported = name.contains(':') && !name.starts_with('[');
        if !name.is_empty() && plain && !ported {
            return Some(match suffix {
                true => HostPattern::Suffix(format!(".{name}")),
                false => HostPattern::Exact(name.to_owned()),
            });
        }
        let message = format!("{:?} is no name of a host", told.value);
        let help = match name.split_once(':') {
            Some((host, _)) if plain && ported => {
                format!("write {host:?}: apps answer on every port")
            }
            _ => "write \"procure.example.com\" or \"*.example.com\"; leave `hosts` out for all"
                .to_owned(),
        };
        self.error(Code::Address, &told.place, message, &help);
        None
    }

    fn prefix(&self, told: &At<String>) -> Option<String> {
        let text = told.value.trim_end_matches('/');
        if text.is_empty() && told.value.starts_with('/') {
            return Some(String::new());
        }
        if text.contains(['*', '{']) {
            let message = "a prefix is a path, not a pattern";
            let help = "write the path below which the app lives, like \"/examples\"";
            self.error(Code::Path, &told.place, message, help);
            return None;
        }
        let told = At {
            value: text.to_owned(),
            place: told.place.clone(),
        };
        self.path_pattern(&told).map(|pattern| pattern.text)
    }

    fn upstream(&self, told: &At<String>) -> Option<Upstream> {
        let upstream = parse_upstream(&told.value);
        if upstream.is_none() {
            let text = told.value.as_str();
            let message = format!("{text:?} is no upstream");
            let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
            let bare = bare.split('/').next().unwrap_or(bare);
            let help = match format!("http://{bare}") {
                url if parse_upstream(&url).is_some() => format!("write {url:?}"),
                _ => "write \"http://HOST:PORT\"".to_owned(),
            };
            let fault = Fault::error(Code::Address, &told.place, message);
            let label = match text.starts_with("https:") {
                true => "apps are reached by plain HTTP only",
                false => "expected http://, a host and a port, and nothing behind",
            };
            self.findings.push(fault.label(label).help(help));
        }
        upstream
    }

    fn host_header(&self, told: Option<&At<String>>) -> Option<HostHeader> {
        let Some(told) = told.filter(|told| told.value != defaults::HOST_HEADER) else {
            return Some(HostHeader::Pass);
        };
        let authority = told.value.parse::<Authority>().ok();
        let value = authority
            .filter(|authority| !authority.as_str().contains('@'))
            .and_then(|authority| HeaderValue::try_from(authority.as_str()).ok());
        if value.is_none() {
            let message = format!("{:?} is no host", told.value);
            let help = "write \"pass\", \"app.internal\" or \"app.internal:8080\"";
            self.error(Code::Address, &told.place, message, help);
        }
        value.map(HostHeader::Rewrite)
    }

    fn logins(&self, raw: &[At<RawLogin>], of: LoginContext<'_>) -> Option<Vec<LoginRecipe>> {
        let recipes: Vec<_> = raw.iter().map(|raw| self.login(raw, of)).collect();
        let labels = raw.iter().zip(&recipes).filter_map(|(raw, recipe)| {
            let place = raw.value.name.as_ref().or(raw.value.path.as_ref())?;
            Some((&recipe.as_ref()?.label, &place.place))
        });
        self.no_duplicates(labels, "write a `name` of its own for each login");
        recipes.into_iter().collect()
    }

    fn refusals(&self, raw: Option<&At<RawRefusals>>) -> Option<Refusals> {
        let Some(raw) = raw else {
            return Some(Refusals::default());
        };
        let answer = |told: &Option<At<RawAnswer>>| match told {
            Some(told) => self.answer(&told.value).map(Some),
            None => Some(None),
        };
        let (navigation, script) = (answer(&raw.value.navigation), answer(&raw.value.script));
        Some(Refusals {
            navigation: navigation?,
            script: script?,
        })
    }

    fn answer(&self, raw: &RawAnswer) -> Option<CustomAnswer> {
        let headers = raw.headers.as_ref().map_or(&[][..], |pairs| &pairs.value);
        let headers = every(headers, |(name, value)| {
            Some((self.header_name(name)?, self.header_value(value)?))
        });
        let status = match &raw.status {
            Some(told) => self.status(told),
            None => http::StatusCode::from_u16(defaults::REFUSAL_STATUS).ok(),
        };
        Some(CustomAnswer {
            status: status?,
            headers: headers?,
            body: raw
                .body
                .as_ref()
                .map_or(String::new(), |told| told.value.clone()),
        })
    }
}

fn parse_upstream(text: &str) -> Option<Upstream> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['@', '#']);
    if uri.scheme_str() != Some("http") || !bare || authority.host().is_empty() {
        return None;
    }
    let port = match authority.as_str().strip_prefix(authority.host())? {
        "" => HTTP_PORT,
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    let authority: Authority = format!("{}:{port}", authority.host()).parse().ok()?;
    Some(Upstream {
        address: authority.as_str().parse().ok(),
        authority,
    })
}

#[cfg(test)]
mod tests {
    use super::parse_upstream;

    #[test]
    fn an_upstream_is_http_a_host_and_a_port() {
        for (text, authority) in [
            ("http://10.0.3.11:8080", Some("10.0.3.11:8080")),
            ("http://app.internal", Some("app.internal:80")),
            ("http://[::1]:8080/", Some("[::1]:8080")),
            ("https://app.internal", None),
            ("http://app.internal/path", None),
            ("http://user@app.internal", None),
            ("http://app:port", None),
            ("http://:80", None),
            ("app:80", None),
            ("", None),
        ] {
            let upstream = parse_upstream(text);
            let found = upstream
                .as_ref()
                .map(|upstream| upstream.authority.as_str());
            assert_eq!(found, authority, "{text}");
        }
    }

    #[test]
    fn only_an_address_needs_no_name_service() {
        assert!(parse_upstream("http://10.0.0.1").unwrap().address.is_some());
        assert!(parse_upstream("http://[::1]").unwrap().address.is_some());
        assert!(parse_upstream("http://app").unwrap().address.is_none());
    }
}
