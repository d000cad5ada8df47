//! An app's companion token: names that are nobody else's, and spans that fit each other.

use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};

use super::Checker;
use crate::config::app::{App, Source};
use crate::config::carrier::{Carrier, SessionShape};
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault, Place};
use crate::config::raw::app::RawApp;
use crate::config::raw::token::RawToken;
use crate::config::token::TokenCarrier;
use crate::domain::token::Renewal;

/// Each renewal is a write and an answer that no cache keeps.
const RENEW_EVERY_MIN: Duration = Duration::from_secs(60);

/// Requests under way at the same time come within it, also over a mobile line.
const OVERLAP_MIN: Duration = Duration::from_secs(5);

/// Values that are good at the same time are two, also where an answer comes late: the third is
/// first presented only after the first has long gone.
const OVERLAPS_IN_A_RENEWAL: u32 = 2;

/// Headers that mean something else to every server. Those of one hop no app or client would get.
const TAKEN: [HeaderName; 7] = [
    AUTHORIZATION,
    COOKIE,
    HOST,
    SET_COOKIE,
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
];

impl Checker<'_> {
    /// An app's token: `Some(None)` where it has none, `None` where a fault was pushed.
    pub(super) fn token_carrier(
        &self,
        raw: Option<&At<RawToken>>,
        namespace: Option<&str>,
        shape: &SessionShape,
    ) -> Option<Option<TokenCarrier>> {
        let Some(raw) = raw else {
            return Some(None);
        };
        let cookie = self.token_cookie(raw, namespace, shape);
        let header = match &raw.value.header {
            Some(told) => self.token_header(told, shape).map(Some),
            None => Some(None),
        };
        let renewal = self.renewal(&raw.value);
        Some(Some(TokenCarrier::new(cookie?, header?, renewal?)))
    }

    fn token_cookie(
        &self,
        raw: &At<RawToken>,
        namespace: Option<&str>,
        shape: &SessionShape,
    ) -> Option<String> {
        let told = match &raw.value.cookie {
            Some(told) => told.clone(),
            None => At {
                value: format!("{}{}", defaults::TOKEN_COOKIE_PREFIX, namespace?),
                place: raw.place.clone(),
            },
        };
        let name = self.cookie_name(&told)?;
        let fault = |message: &str, help: &str| {
            self.error(Code::Contradiction, &told.place, message, help);
            None
        };
        if name.starts_with("__") {
            let help = "leave the prefix out: over TLS the gateway writes `__Host-` before it";
            return fault("a prefix is no part of the name", help);
        }
        let secured = format!("__Host-{name}");
        let taken =
            |own: &str| own.eq_ignore_ascii_case(&name) || own.eq_ignore_ascii_case(&secured);
        if shape.cookie_names().any(taken) {
            return fault(
                "the app has a cookie of this name",
                "write another name; the app never sees this cookie",
            );
        }
        Some(name)
    }

    fn token_header(&self, told: &At<String>, shape: &SessionShape) -> Option<HeaderName> {
        let name = self.header_name(told)?;
        let carries = |one: &Carrier| matches!(one, Carrier::Header(header) if *header == name);
        if TAKEN.contains(&name) || shape.carriers.iter().any(carries) {
            let message = format!("the header {name} means something else already");
            let help = "write one of its own, like \"x-session-token\"";
            self.error(Code::Contradiction, &told.place, message, help);
            return None;
        }
        Some(name)
    }

    fn renewal(&self, raw: &RawToken) -> Option<Renewal> {
        let every = raw.renew_every.as_ref();
        let overlap = raw.overlap.as_ref();
        let renewal = Renewal {
            every: every.map_or(defaults::TOKEN_RENEW_EVERY, |told| told.value.0),
            overlap: overlap.map_or(defaults::TOKEN_OVERLAP, |told| told.value.0),
        };
        let short = [
            every
                .filter(|told| told.value.0 < RENEW_EVERY_MIN)
                .map(|told| (told, "1m")),
            overlap
                .filter(|told| told.value.0 < OVERLAP_MIN)
                .map(|told| (told, "5s")),
        ];
        for (told, least) in short.iter().flatten() {
            let message = "requests that are sent at the same time would not fit in";
            let help = format!("write at least {least:?}");
            self.error(Code::DurationRange, &told.place, message, &help);
        }
        if short.iter().any(Option::is_some) {
            return None;
        }
        let place = overlap.or(every).map(|told| &told.place);
        let is_long = renewal.overlap > renewal.every / OVERLAPS_IN_A_RENEWAL;
        if let Some(place) = place.filter(|_| is_long) {
            let message = "the overlap is longer than half of the time between two renewals";
            let help = "write a shorter `overlap`, or a longer `renew_every`";
            self.error(Code::Contradiction, place, message, help);
            return None;
        }
        Some(renewal)
    }

    /// The app announces ids by no header that is the token's.
    pub(super) fn token_is_not_issued(&self, raw: &RawApp, issued: &[Source]) {
        let told = raw
            .token
            .as_ref()
            .and_then(|token| token.value.header.as_ref());
        let Some(told) = told else { return };
        let is_it = |source: &Source| matches!(source, Source::AnswerHeader(name) if told.value.eq_ignore_ascii_case(name.as_str()));
        if issued.iter().any(is_it) {
            let message = "the app announces its ids by this header";
            let help = "write one of its own, like \"x-session-token\"";
            self.error(Code::Contradiction, &told.place, message, help);
        }
    }

    /// Two apps on one host: the same sessions have one token, others have tokens of other names.
    pub(super) fn two_tokens(&self, earlier: (&At<RawApp>, &App), later: (&At<RawApp>, &App)) {
        let (first, second) = (earlier.1, later.1);
        let place = |(raw, _): (&At<RawApp>, &App)| -> Place {
            let token = raw.value.token.as_ref();
            token.map_or(&raw.place, |token| &token.place).clone()
        };
        let same_sessions = first.namespace == second.namespace && first.slot == second.slot;
        let told = if same_sessions && first.token != second.token {
            (
                format!("has the sessions of {:?}, but not its token", &*first.name),
                "write the same [apps.token] in both",
            )
        } else if !same_sessions && same_cookie(first, second) {
            (
                format!(
                    "its token has the same cookie as that of {:?}",
                    &*first.name
                ),
                "write another `cookie` in one of them",
            )
        } else {
            return;
        };
        let fault = Fault::error(Code::Contradiction, &place(later), told.0);
        let fault = fault.other(&place(earlier), "the other one").help(told.1);
        self.findings.push(fault);
    }
}

fn same_cookie(one: &App, other: &App) -> bool {
    let name = |app: &App| {
        app.token
            .as_ref()
            .map(|token| token.plain.to_ascii_lowercase())
    };
    name(one).is_some() && name(one) == name(other)
}
