//! What apps must settle between them: names, requests, and ids that look alike.

use super::{Checker, items};
use crate::config::app::{App, HostPattern};
use crate::config::carrier::Carrier;
use crate::config::fault::{At, Code, Fault, Place};
use crate::config::raw::app::RawApp;

impl Checker<'_> {
    pub(super) fn apps_between_them(&self, raw: &[At<RawApp>], apps: &[Option<App>]) {
        let names = raw.iter().filter_map(|raw| raw.value.name.as_ref());
        self.no_duplicates(
            names.map(|told| (&told.value, &told.place)),
            "write a name of its own for each app",
        );
        let apps: Vec<_> = raw
            .iter()
            .zip(apps)
            .filter_map(|(raw, app)| Some((raw, app.as_ref()?)))
            .collect();
        for (index, (raw, app)) in apps.iter().enumerate() {
            for (earlier_raw, earlier) in &apps[..index] {
                self.two_apps((earlier_raw, earlier), (raw, app));
            }
        }
    }

    fn two_apps(&self, earlier: (&At<RawApp>, &App), later: (&At<RawApp>, &App)) {
        let (first, second) = (earlier.1, later.1);
        if let Some((place, other)) = same_requests(earlier, later) {
            let fault = Fault::error(
                Code::Overlap,
                place,
                format!("answers to the same requests as {:?}", &*first.name),
            );
            self.findings.push(
                fault
                    .other(other, "the same host and `prefix`")
                    .help("write other `hosts`, or another `prefix`"),
            );
            return;
        }
        if may_share_a_host(first, second) {
            self.two_tokens(earlier, later);
        }
        let Some(cookie) = shared_cookie(first, second) else {
            return;
        };
        if may_share_a_host(first, second) && first.namespace != second.namespace {
            let fault = Fault::error(
                Code::Namespace,
                &later.0.place,
                format!(
                    "shares a host and the cookie {cookie:?} with {:?}, under another namespace",
                    &*first.name
                ),
            );
            self.findings.push(
                fault
                    .other(&earlier.0.place, "the browser may send its id to both")
                    .help(format!("write namespace = \"{}\" in both", first.namespace)),
            );
        }
    }
}

/// Where the later of two apps, and where the earlier one, says that it answers to some request
/// to which neither answers before the other.
fn same_requests<'a>(
    earlier: (&'a At<RawApp>, &App),
    later: (&'a At<RawApp>, &App),
) -> Option<(&'a Place, &'a Place)> {
    if earlier.1.prefix != later.1.prefix {
        return None;
    }
    let hosts = |(raw, app): (&'a At<RawApp>, &App)| -> Vec<(&'a Place, HostPattern)> {
        let told = items(raw.value.hosts.as_ref()).iter();
        let places = told.map(|told| &told.place);
        places.zip(app.hosts.iter().cloned()).collect()
    };
    let (earlier_hosts, later_hosts) = (hosts(earlier), hosts(later));
    if earlier_hosts.is_empty() && later_hosts.is_empty() {
        return Some((&later.0.place, &earlier.0.place));
    }
    later_hosts.iter().find_map(|(place, host)| {
        let same = earlier_hosts.iter().find(|(_, other)| other == host);
        same.map(|(other, _)| (*place, *other))
    })
}

fn may_share_a_host(one: &App, other: &App) -> bool {
    let meet = |one: &HostPattern, other: &HostPattern| match (one, other) {
        (HostPattern::Exact(one), HostPattern::Exact(other)) => one == other,
        (HostPattern::Suffix(suffix), HostPattern::Exact(name))
        | (HostPattern::Exact(name), HostPattern::Suffix(suffix)) => name.ends_with(suffix),
        (HostPattern::Suffix(one), HostPattern::Suffix(other)) => {
            one.ends_with(other) || other.ends_with(one)
        }
    };
    one.hosts.is_empty()
        || other.hosts.is_empty()
        || one
            .hosts
            .iter()
            .any(|host| other.hosts.iter().any(|its| meet(host, its)))
}

/// A cookie that carries the id of both.
fn shared_cookie<'a>(one: &'a App, other: &App) -> Option<&'a str> {
    one.shape.carriers.iter().find_map(|carrier| match carrier {
        Carrier::Cookie(name) if other.shape.carriers.contains(carrier) => Some(name.as_str()),
        _ => None,
    })
}
