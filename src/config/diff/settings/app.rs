//! The settings of one app.

use std::time::Duration;

use super::{List, Value};
use crate::config::app::{App, Refusals, Upstream};
use crate::config::carrier::SessionShape;
use crate::config::lines::RuleLines;
use crate::config::passive::{PassiveRule, Passivity};
use crate::config::spelled;
use crate::config::value::Words;

pub(super) fn add_app(list: &mut List, app: &App, lines: &RuleLines) {
    let App {
        name,
        namespace,
        hosts,
        prefix,
        upstreams,
        host_header,
        bounds,
        on_device_change,
        shape,
        // How the first carrier is spelled.
        slot: _,
        issued,
        expire_at,
        adopt_until,
        logins,
        logouts,
        routes,
        fallback,
        // Told with its route.
        freshest: _,
        way_back,
        passivity,
        token,
        refusals,
    } = app;
    let key = |setting: &str| format!("apps.{name}.{setting}");
    let line = lines.of_app(name);
    list.bounds(&format!("apps.{name}"), bounds.limits, |_| line);
    list.one(key("mode"), bounds.mode.word());
    list.one(key("on_device_change"), on_device_change.word());
    list.one(key("namespace"), namespace);
    list.many(key("hosts"), hosts);
    list.one(key("prefix"), format!("{prefix}/"));
    let upstream = |upstream: &Upstream| format!("http://{}", upstream.authority);
    let upstreams: Vec<_> = upstreams.iter().map(upstream).collect();
    list.one(key("upstreams"), upstreams.join(", "));
    list.one(key("host_header"), host_header);
    if let Some(until) = adopt_until {
        list.one(key("adopt_until"), instant(until.as_millis()));
    }
    list.one(key("way_back"), way_back);
    add_shape(list, shape, &key("session"));
    list.many(key("session.issued"), issued);
    list.many(key("session.expire_at"), expire_at);
    for recipe in logins {
        list.one(
            key(&format!("logins {}", recipe.label)),
            spelled::login(recipe),
        );
    }
    let labels = logins.iter().map(|recipe| recipe.label.to_string());
    list.add(key("order of logins"), Value::Order(labels.collect()));
    let spelled: Vec<_> = logouts.iter().map(spelled::logout).collect();
    list.add(key("order of logouts"), Value::Order(spelled.clone()));
    list.many(key("logouts"), spelled);
    list.one(key("access and on_stale"), spelled::rule(fallback));
    let names: Vec<_> = routes.iter().map(|route| route.pattern.text()).collect();
    for (index, (route, name)) in routes.iter().zip(&names).enumerate() {
        list.line = lines.of_route(&app.name, index);
        list.one(key(&format!("routes {name}")), spelled::rule(&route.rule));
    }
    list.line = line;
    list.add(key("routes"), Value::Order(names));
    let Passivity { requests, frames } = passivity;
    list.many(key("passive"), requests.iter().map(PassiveRule::text));
    list.many(
        key("person_frames"),
        frames.iter().map(|rule| spelled::frames(rule)),
    );
    if let Some(token) = token {
        list.one(key("token"), spelled::token(token));
    }
    let Refusals { navigation, script } = refusals;
    for (kind, answer) in [("navigation", navigation), ("script", script)] {
        if let Some(answer) = answer {
            list.one(key(&format!("refusal.{kind}")), spelled::answer(answer));
        }
    }
}

fn add_shape(list: &mut List, shape: &SessionShape, key: &str) {
    let SessionShape {
        carriers,
        group,
        auth_cookies,
        authorization,
    } = shape;
    let carriers: Vec<_> = carriers.iter().map(ToString::to_string).collect();
    list.one(format!("{key}.id and also"), carriers.join(", "));
    list.many(format!("{key}.group"), group);
    list.many(format!("{key}.auth_cookies"), auth_cookies);
    list.one(format!("{key}.authorization"), authorization.word());
}

fn instant(millis: u64) -> String {
    let since = Duration::from_millis(millis);
    humantime::format_rfc3339_seconds(std::time::SystemTime::UNIX_EPOCH + since).to_string()
}
