//! Recipes: how a login and a logout are recognised from outside.

use http::{Method, StatusCode};

use super::pattern::RawPattern;
use super::{Checker, items};
use crate::config::app::{
    Extractor, LoginRecipe, LogoutRecipe, Page, RequestPattern, Source, Success,
};
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault, Place};
use crate::config::raw::app::{RawLogin, RawLogout, RawSuccess};

/// The word that stands for "in place of any protected page".
const SAME: &str = "same";

/// What a login must know of the rest of the file.
#[derive(Clone, Copy)]
pub(super) struct LoginContext<'a> {
    /// Whether any listener believes what proxies in front of it write.
    pub(super) trusts_proxies: bool,
    /// The cookies that go together with the app's id.
    pub(super) group: &'a [String],
}

/// What a login's extractors must know.
#[derive(Clone, Copy)]
struct Reading<'a> {
    methods: &'a [Method],
    judges_json: bool,
    trusts_proxies: bool,
}

impl Checker<'_> {
    pub(super) fn login(&self, raw: &At<RawLogin>, of: LoginContext<'_>) -> Option<LoginRecipe> {
        let login = &raw.value;
        let pattern = self.login_pattern(login);
        let json = self.json_conditions(login.json.as_ref());
        let page = login
            .page
            .as_ref()
            .map_or(Some(Page::None), |told| self.page(told));
        let methods = pattern.as_ref().map_or(&[][..], |pattern| &pattern.methods);
        let reading = Reading {
            methods,
            judges_json: !json.is_empty(),
            trusts_proxies: of.trusts_proxies,
        };
        if let Some(told) = login.json.as_ref().filter(|_| !json.is_empty()) {
            self.has_a_body(methods, &told.place);
        }
        let user = self.learned(login.user.as_ref(), reading);
        let groups = self.groups(login.groups.as_ref(), reading);
        let success = self.success(login.success.as_ref());
        if let (Some(raw), Some(success), Some(Page::At(page))) = (&login.success, &success, &page)
        {
            self.tells_the_way_back(&raw.place, success, page);
        }
        let name = login.name.as_ref().map(|told| self.label(told));
        let same_id = self.same_id(login, success.as_ref(), of.group);
        let pattern = pattern?;
        Some(LoginRecipe {
            label: name.unwrap_or_else(|| Some(pattern.path_and_query().into()))?,
            json,
            page: page?,
            user: user.ok()?,
            groups: groups.ok()?,
            success: success?,
            same_id,
            pattern,
        })
    }

    fn login_pattern(&self, login: &RawLogin) -> Option<RequestPattern> {
        let mut pattern = self.request_pattern(RawPattern {
            path: login.path.as_ref(),
            methods: login.methods.as_ref(),
            query: login.query.as_ref(),
            headers: login.headers.as_ref(),
        })?;
        if login.methods.is_none() {
            let methods = defaults::LOGIN_METHODS.iter();
            pattern.methods = methods.filter_map(|word| word.parse().ok()).collect();
        }
        Some(pattern)
    }

    fn page(&self, told: &At<String>) -> Option<Page> {
        let text = told.value.as_str();
        if text == SAME {
            return Some(Page::Same);
        }
        // It becomes the Location of a redirect: nothing that leads to another host.
        let leads_away = text.starts_with("//") || text.contains(['\\', '#']);
        let written = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.starts_with('/') && written && !leads_away && !text.contains('*') {
            return Some(Page::At(text.to_owned()));
        }
        let message = format!("{text:?} is no path of this host");
        let help =
            "write a path like \"/login\" (percent-encoded, a query may follow), or \"same\"";
        self.error(Code::Path, &told.place, message, help);
        None
    }

    /// An extractor of a login. `Err` where it has a fault.
    fn learned(
        &self,
        told: Option<&At<String>>,
        reading: Reading<'_>,
    ) -> Result<Option<Extractor>, ()> {
        let Some(told) = told else {
            return Ok(None);
        };
        let extractor = self.extractor(told).ok_or(())?;
        match &extractor.source {
            Source::Form(_) | Source::Json(_) => self.has_a_body(reading.methods, &told.place),
            Source::Header(_) if !reading.trusts_proxies => self.forgeable("header", told),
            Source::Cookie(_) if !reading.trusts_proxies => self.forgeable("cookie", told),
            _ => {}
        }
        if matches!(extractor.source, Source::Form(_)) && reading.judges_json {
            let message = "a body is a form or JSON, and `json` asks for JSON";
            self.error(
                Code::Extractor,
                &told.place,
                message,
                "write \"json:/POINTER\"",
            );
        }
        Ok(Some(extractor))
    }

    fn forgeable(&self, kind: &str, told: &At<String>) {
        let message =
            format!("any client can write this {kind}, so it never yields a looser limit");
        self.findings.push(
            Fault::warning(Code::Forgeable, &told.place, message)
                .help("write trusted_proxies at the listener, or learn it from the answer"),
        );
    }

    /// Where a login's groups are found: not where the client tells them, who would choose his own.
    fn groups(
        &self,
        told: Option<&At<String>>,
        reading: Reading<'_>,
    ) -> Result<Option<Extractor>, ()> {
        let groups = self.learned(told, reading)?;
        let source = groups.as_ref().map(|groups| &groups.source);
        if let (Some(told), Some(Source::Form(_) | Source::Query(_) | Source::Json(_))) =
            (told, source)
        {
            let message = "whoever logs in writes this, and would choose his own groups";
            let help = "write \"answer-json:/POINTER\" or another part of the answer, or the \"header:NAME\" of a trusted proxy";
            self.error(Code::Forgeable, &told.place, message, help);
            return Err(());
        }
        Ok(groups)
    }

    fn has_a_body(&self, methods: &[Method], place: &Place) {
        let bodiless = |method: &Method| *method == Method::GET || *method == Method::HEAD;
        if !methods.is_empty() && methods.iter().all(bodiless) {
            let message = "a request of these methods has no body";
            self.error(
                Code::Extractor,
                place,
                message,
                "write methods = [\"POST\"], or \"query:NAME\"",
            );
        }
    }

    fn success(&self, raw: Option<&At<RawSuccess>>) -> Option<Success> {
        let place = &raw?.place;
        let raw = &raw?.value;
        let pattern = |told: &Option<At<String>>| match told {
            Some(told) => self.target_pattern(told).map(Some),
            None => Some(None),
        };
        let (location, location_not) = (pattern(&raw.location), pattern(&raw.location_not));
        let cookie = match &raw.cookie {
            Some(told) => self.cookie_name(told).map(Some),
            None => Some(None),
        };
        let mut headers = self.header_conditions(raw.header.as_ref());
        if let Some(told) = raw.header.as_ref().filter(|_| headers.len() > 1) {
            let message = "one header can tell success";
            self.error(Code::Range, &told.place, message, "leave one of them");
        }
        let success = Success {
            status: self.success_statuses(raw.status.as_ref()),
            location: location?,
            location_not: location_not?,
            new_session: raw.new_session.as_ref().is_some_and(|told| told.value),
            cookie: cookie?,
            header: headers.pop(),
            json: self.json_conditions(raw.json.as_ref()),
        };
        if says_nothing(raw, &success) && !self.findings.touch(place) {
            let message = "every answer would be a successful login";
            let help = "write what a failed login's answer does not have, like new_session = true or status = [302]";
            self.error(Code::NoSuccess, place, message, help);
        }
        Some(success)
    }

    /// A warning where a failed login may look like a good one: it too redirects, back to its form,
    /// and an app that starts a session there issues an id as well.
    fn tells_the_way_back(&self, place: &Place, success: &Success, page: &str) {
        let redirects = success.status.iter().any(StatusCode::is_redirection);
        let tells_more = success.location.is_some()
            || success.location_not.is_some()
            || success.cookie.is_some()
            || success.header.is_some()
            || !success.json.is_empty();
        if redirects && success.new_session && !tells_more {
            let any_query = if page.contains('?') { "*" } else { "" };
            let message = "a failed login that is sent back to its form with a new id would count";
            let help = format!("add location_not = \"{page}{any_query}\"");
            self.findings
                .push(Fault::warning(Code::NoSuccess, place, message).help(help));
        }
    }

    fn success_statuses(&self, told: Option<&At<Vec<At<u64>>>>) -> Vec<StatusCode> {
        match items(told) {
            [] => defaults::LOGIN_STATUSES
                .filter_map(|status| StatusCode::from_u16(status).ok())
                .collect(),
            told => self.statuses(told),
        }
    }

    fn same_id(&self, login: &RawLogin, success: Option<&Success>, group: &[String]) -> bool {
        let Some(told) = login.same_id.as_ref().filter(|told| told.value) else {
            return false;
        };
        if success.is_some_and(|success| success.new_session) {
            let fault = Fault::error(
                Code::Contradiction,
                &told.place,
                "an app that keeps its id issues no new one",
            );
            self.findings
                .push(fault.help("leave out same_id, or success.new_session"));
        } else if !success.is_some_and(|success| demands_one_of(success, group)) {
            let fault = Fault::warning(
                Code::Fixation,
                &told.place,
                "an app that keeps its id over the login is open to session fixation",
            );
            self.findings.push(
                fault.help("leave it out if the app issues a new id; no gateway can mend this"),
            );
        }
        true
    }

    pub(super) fn logout(&self, raw: &At<RawLogout>) -> Option<LogoutRecipe> {
        let logout = &raw.value;
        let status = self.statuses(items(logout.status.as_ref()));
        let pattern = self.request_pattern(RawPattern {
            path: logout.path.as_ref(),
            methods: logout.methods.as_ref(),
            query: logout.query.as_ref(),
            headers: logout.headers.as_ref(),
        });
        Some(LogoutRecipe {
            pattern: pattern?,
            status,
        })
    }
}

/// Whether a login issues a cookie that goes together with the id: then whoever planted the id
/// beforehand has only half of the session.
fn demands_one_of(success: &Success, group: &[String]) -> bool {
    let cookie = success.cookie.as_ref();
    cookie.is_some_and(|cookie| group.contains(cookie))
}

fn says_nothing(raw: &RawSuccess, success: &Success) -> bool {
    items(raw.status.as_ref()).is_empty()
        && success.location.is_none()
        && success.location_not.is_none()
        && !success.new_session
        && success.cookie.is_none()
        && success.header.is_none()
        && success.json.is_empty()
}
