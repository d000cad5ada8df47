//! A configuration as a list of settings with names, each worth comparing with another's.
//!
//! Every structure is taken apart in full: a field that is added later fails to compile here, for
//! otherwise it would change in silence.

mod app;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use crate::config::compliance::{Compliance, Demand, Exception};
use crate::config::device::{DeviceRule, Devices};
use crate::config::lines::RuleLines;
use crate::config::spelled::{self, duration};
use crate::config::value::Words;
use crate::config::{Admin, Caps, Config, Listener, Records, StoreConfig, Waits};
use crate::domain::device::DeviceClass;
use crate::domain::identity::Keyring;
use crate::domain::limits::{Bounds, DeviceId, LimitKind, RoleId, Rule};
use crate::domain::policy::{Policy, Role};
use crate::domain::seats::SeatLimit;

use app::add_app;

/// One setting.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Value,
    /// Where it is written, or the table that it belongs to.
    pub(super) line: Option<usize>,
    pub(super) at_a_start: bool,
    pub(super) part: Part,
}

/// Which part of the configuration: what matters most is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Limits,
    Apps,
    Rest,
}

/// What a setting is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// Each counts by itself, and their order does not.
    Many(BTreeSet<String>),
    /// Their order alone counts; what they are is told elsewhere.
    Order(Vec<String>),
    /// Compared, and never shown.
    Secret(Vec<u8>),
}

/// Every setting, with the defaults of those that the file leaves out.
pub(super) fn settings(config: &Config) -> Vec<Setting> {
    let Config {
        listeners,
        admin,
        store,
        keys,
        policy,
        devices,
        lines,
        anonymous,
        apps,
        compliance,
        records,
        waits,
    } = config;
    let mut list = List::new(Part::Limits);
    limits(&mut list, policy, lines);
    add_devices(&mut list, policy, devices, lines);
    caps(&mut list, *anonymous, lines);
    list.part = Part::Apps;
    for app in apps {
        add_app(&mut list, app, lines);
    }
    list.part = Part::Rest;
    list.line = None;
    add_compliance(&mut list, compliance);
    list.line = None;
    list.add("store.keys", Value::Secret(known_by(keys)));
    add_waits(&mut list, *waits);
    list.at_a_start = true;
    list.one("waits.drain", duration(waits.drain));
    list.many("listeners", listeners.iter().map(listener));
    if let Some(Admin { address, token }) = admin {
        list.one("admin.address", address);
        let token = token.as_ref().map_or("", |token| token.reveal());
        list.add("admin.token", Value::Secret(token.as_bytes().to_vec()));
    }
    add_store(&mut list, store);
    let Records { audit, access } = records;
    list.one("records.audit", spelled::sink(audit));
    list.one("records.access_log", spelled::sink(access));
    list.settings
}

struct List {
    settings: Vec<Setting>,
    part: Part,
    line: Option<usize>,
    at_a_start: bool,
}

impl List {
    fn new(part: Part) -> Self {
        Self {
            settings: Vec::new(),
            part,
            line: None,
            at_a_start: false,
        }
    }

    fn add(&mut self, key: impl Into<String>, value: Value) {
        self.settings.push(Setting {
            key: key.into(),
            value,
            line: self.line,
            at_a_start: self.at_a_start,
            part: self.part,
        });
    }

    fn one(&mut self, key: impl Into<String>, value: impl Display) {
        self.add(key, Value::One(value.to_string()));
    }

    fn many<T: Display>(&mut self, key: impl Into<String>, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter().map(|value| value.to_string());
        self.add(key, Value::Many(values.collect()));
    }

    /// How many sessions a user may have, where a table says so.
    fn seats(&mut self, table: &str, limit: Option<SeatLimit>, line: Option<usize>) {
        let before = self.line;
        self.line = line;
        if let Some(SeatLimit { seats, when_full }) = limit {
            self.one(format!("{table}.max_sessions"), seats);
            self.one(format!("{table}.on_max_sessions"), when_full.word());
        }
        self.line = before;
    }

    /// The limits of one table; one that is not set is no setting.
    fn bounds(&mut self, table: &str, bounds: Bounds, line: impl Fn(LimitKind) -> Option<usize>) {
        for (kind, word) in LimitKind::BOTH.into_iter().zip(["idle", "absolute"]) {
            self.line = line(kind);
            if let Some(after) = bounds.of(kind) {
                self.one(format!("{table}.{word}"), duration(after));
            }
        }
    }
}

fn limits(list: &mut List, policy: &Policy, lines: &RuleLines) {
    let Policy {
        version: _,
        ceiling,
        seats,
        anonymous_idle,
        anonymous_absolute,
        roles,
        // Told with what they are known by.
        devices: _,
        // Told with the routes of their apps.
        routes: _,
    } = policy;
    let line = |rule, kind| lines.of("", rule, kind);
    list.bounds("ceiling", *ceiling, |kind| line(Rule::Ceiling, kind));
    list.seats("ceiling", *seats, lines.of_seats(Rule::Ceiling));
    let anonymous = Bounds {
        idle: Some(*anonymous_idle),
        absolute: Some(*anonymous_absolute),
    };
    list.bounds("anonymous", anonymous, |kind| line(Rule::Anonymous, kind));
    for (index, role) in roles.iter().enumerate() {
        add_role(list, policy, RoleId::at(index), role, lines);
    }
}

fn add_role(list: &mut List, policy: &Policy, id: RoleId, role: &Role, lines: &RuleLines) {
    let Role {
        name,
        idle,
        absolute,
        users,
        groups,
        on_devices,
        max_role_age,
        seats,
        mode,
    } = role;
    let table = format!("roles.{name}");
    let bounds = Bounds {
        idle: Some(*idle),
        absolute: Some(*absolute),
    };
    let line = |device, kind| lines.of("", Rule::Role(id, device), kind);
    list.bounds(&table, bounds, |kind| line(None, kind));
    list.one(format!("{table}.mode"), mode.word());
    list.seats(&table, *seats, lines.of_seats(Rule::Role(id, None)));
    if let Some(age) = max_role_age {
        list.line = lines.of("", Rule::RoleAge(id), LimitKind::Absolute);
        list.one(format!("{table}.max_role_age"), duration(*age));
    }
    list.line = line(None, LimitKind::Absolute);
    list.many(format!("{table}.users"), users);
    list.many(format!("{table}.groups"), groups);
    for (device, bounds) in on_devices {
        let device = Some(*device);
        let table = format!("{table}.devices.{}", policy.name_of_device(device));
        list.bounds(&table, *bounds, |kind| line(device, kind));
        let mut kinds = LimitKind::BOTH.into_iter();
        if let Some(reason) = kinds.find_map(|kind| lines.because((id, device), kind)) {
            list.one(format!("{table}.because"), reason);
        }
    }
}

fn add_devices(list: &mut List, policy: &Policy, devices: &Devices, lines: &RuleLines) {
    let Devices(rules) = devices;
    let classes = policy.devices.iter().zip(rules).enumerate();
    for (index, (DeviceClass { name, bounds }, DeviceRule { when })) in classes {
        let line = |kind| lines.of("", Rule::Device(DeviceId::at(index)), kind);
        let table = format!("devices.{name}");
        list.bounds(&table, *bounds, line);
        list.many(format!("{table}.when"), when);
    }
    // Of the file as a whole: the first that matches counts.
    list.line = None;
    let names = policy.devices.iter().map(|class| class.name.to_string());
    list.add("devices", Value::Order(names.collect()));
}

fn caps(list: &mut List, caps: Caps, lines: &RuleLines) {
    let Caps { total, per_client } = caps;
    list.line = lines.of("", Rule::Anonymous, LimitKind::Idle);
    list.one("anonymous.sessions_max", total);
    list.one("anonymous.sessions_per_client_max", per_client);
}

fn add_compliance(list: &mut List, compliance: &Compliance) {
    let Compliance {
        privileged,
        demands,
    } = compliance;
    list.many("roles privileged", privileged);
    for demand in demands {
        let Demand {
            standard,
            apps,
            exceptions,
        } = demand;
        let key = format!("standards {}", standard.name);
        list.one(&key, listed(apps.as_deref(), "all apps"));
        list.many(
            format!("{key} exceptions"),
            exceptions.iter().map(exception),
        );
    }
}

fn exception(exception: &Exception) -> String {
    let Exception {
        clause,
        roles,
        apps,
        because,
        line: _,
    } = exception;
    let roles = listed(roles.as_deref(), "all roles");
    let apps = listed(apps.as_deref(), "all apps");
    format!("{clause} for {roles} in {apps}: {because}")
}

fn listed(names: Option<&[impl ToString]>, all: &str) -> String {
    match names {
        None => all.to_owned(),
        Some(names) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            names.join(", ")
        }
    }
}

fn listener(listener: &Listener) -> String {
    let Listener {
        address,
        tls,
        trusted,
    } = listener;
    let mut told = vec![address.to_string()];
    told.extend(tls.as_ref().map(|tls| {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        format!("tls {certificate} {key}")
    }));
    told.extend(trusted.iter().map(|network| format!("trusts {network}")));
    told.join(", ")
}

fn add_store(list: &mut List, store: &StoreConfig) {
    match store {
        StoreConfig::Memory { sessions_max } => {
            list.one("store.url", "memory:");
            list.one("store.sessions_max", sessions_max);
        }
        StoreConfig::Redis(redis) => {
            let url = redis.url.reveal().as_bytes().to_vec();
            list.add("store.url", Value::Secret(url));
            list.one("store.deadline", duration(redis.deadline));
            if let Some(ca) = &redis.ca {
                list.one("store.ca", ca.display());
            }
        }
    }
}

fn add_waits(list: &mut List, waits: Waits) {
    let Waits {
        head,
        handshake,
        connect,
        answer,
        body,
        // Taken up at a start alone.
        drain: _,
    } = waits;
    let spans: [(&str, Duration); 5] = [
        ("head", head),
        ("handshake", handshake),
        ("connect", connect),
        ("answer", answer),
        ("body", body),
    ];
    for (name, span) in spans {
        list.one(format!("waits.{name}"), duration(span));
    }
}

/// What tells two lists of keys apart: the same id's sids under each.
fn known_by(keys: &Keyring) -> Vec<u8> {
    let sids = keys.sids("", "", b"");
    sids.flat_map(|sid| *sid.as_bytes()).collect()
}
