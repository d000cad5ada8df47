//! Device classes: by what they are known, and whether any request is of them.

use http::HeaderName;

use super::limits::Rulebook;
use super::{Checker, items};
use crate::config::device::{DeviceRule, Devices, TextPattern, When};
use crate::config::fault::{At, Code, Fault, Place};
use crate::config::raw::device::{RawDevice, RawWhen};
use crate::domain::device::{DeviceClass, OTHER};
use crate::domain::limits::{Bounds, DeviceId, LimitKind, Rule};

/// A class of the file.
type Named = (At<String>, At<RawDevice>);

impl Checker<'_> {
    /// The classes without those that have a fault, into the policy and by what they are known.
    pub(super) fn devices(&self, raw: &[Named], rules: &mut Rulebook) -> Devices {
        let mut known: Vec<DeviceRule> = Vec::new();
        let mut places: Vec<(&Place, When)> = Vec::new();
        for (index, (name, device)) in raw.iter().enumerate() {
            let id = DeviceId::at(index);
            rules
                .lines
                .insert(Rule::Device(id), self.line(&device.place));
            let told = [device.value.idle.as_ref(), device.value.absolute.as_ref()];
            let bounds = self.bounds(told);
            self.below_ceiling(told, rules.policy.ceiling);
            let mut when = Vec::new();
            for raw in &device.value.when {
                let Some(one) = self.when(raw) else { continue };
                self.is_met_first(&places, &raw.place, &one);
                places.push((&raw.place, one.clone()));
                when.push(one);
            }
            if let Some(name) = self.device_name(name) {
                let name = name.as_str().into();
                rules.policy.devices.push(DeviceClass { name, bounds });
                known.push(DeviceRule { when });
            }
        }
        Devices(known)
    }

    fn device_name(&self, told: &At<String>) -> Option<String> {
        if told.value == OTHER {
            let message = "devices that no class matches have this name";
            self.error(Code::Range, &told.place, message, "write another name");
            return None;
        }
        self.label(told).map(|name| name.to_string())
    }

    fn when(&self, raw: &At<RawWhen>) -> Option<When> {
        let told = &raw.value;
        let user_agent = self.texts(items(told.user_agent.as_ref()));
        let platform = self.texts(items(told.platform.as_ref()));
        let networks = items(told.networks.as_ref()).iter();
        let networks: Vec<_> = networks.map(|told| self.network(told)).collect();
        let headers = told.headers.as_ref().map_or(&[][..], |pairs| &pairs.value);
        let headers: Vec<Option<(HeaderName, TextPattern)>> = headers
            .iter()
            .map(|(name, value)| {
                let name = self.header_name(name);
                self.header_value(value)?;
                Some((name?, TextPattern::whole(&value.value)))
            })
            .collect();
        let user_agent = user_agent?.into_iter().map(TextPattern::within).collect();
        let when = When {
            user_agent,
            mobile: told.mobile.as_ref().map(|told| told.value),
            platform: platform?.into_iter().map(str::to_owned).collect(),
            headers: headers.into_iter().collect::<Option<_>>()?,
            networks: networks.into_iter().collect::<Option<_>>()?,
        };
        let says_nothing = when.user_agent.is_empty()
            && when.mobile.is_none()
            && when.platform.is_empty()
            && when.headers.is_empty()
            && when.networks.is_empty();
        if says_nothing {
            let message = "says nothing, so every request would be on such a device";
            let help = "write user_agent = [\"Mobile\"], mobile = true, headers or networks";
            self.error(Code::MissingKey, &raw.place, message, help);
            return None;
        }
        Some(when)
    }

    /// Texts to be found in a header, none where one could never be, or always.
    fn texts<'t>(&self, list: &'t [At<String>]) -> Option<Vec<&'t str>> {
        let texts: Vec<Option<&str>> = list
            .iter()
            .map(|told| {
                self.header_value(told)?;
                if told.value.trim_matches('*').is_empty() {
                    let message = "every header has this";
                    let help = "write what tells such devices apart, like \"Mobile\"";
                    self.error(Code::Range, &told.place, message, help);
                    return None;
                }
                Some(told.value.as_str())
            })
            .collect();
        texts.into_iter().collect()
    }

    fn is_met_first(&self, earlier: &[(&Place, When)], place: &Place, when: &When) {
        let Some((first, _)) = earlier.iter().find(|(_, one)| one.covers(when)) else {
            return;
        };
        let fault = Fault::error(Code::Unreachable, place, "no device is known by this");
        self.findings.push(
            fault
                .label("this comes later")
                .other(first, "matches all of them first")
                .help("write the narrower class first, or leave this out"),
        );
    }

    /// A warning for each limit of a class that every session on it is below anyway. After the
    /// roles, which may say something else of the class.
    pub(super) fn devices_apply(&self, raw: &[Named], rules: &Rulebook) {
        for (index, (_, device)) in raw.iter().enumerate() {
            let told = [device.value.idle.as_ref(), device.value.absolute.as_ref()];
            for (told, kind) in told.into_iter().zip(LimitKind::BOTH) {
                let Some(told) = told else { continue };
                let longest = longest_on(rules, DeviceId::at(index), kind);
                let ceiling = rules.policy.ceiling.of(kind);
                if let Some(longest) = longest
                    && told.value.0 > longest
                    && ceiling.is_none_or(|most| told.value.0 <= most)
                {
                    self.never_applies(told, longest, "no session there has more than");
                }
            }
        }
    }
}

/// The longest limit that anybody has on a device of a class, by his roles alone.
fn longest_on(rules: &Rulebook, device: DeviceId, kind: LimitKind) -> Option<std::time::Duration> {
    let policy = &rules.policy;
    let roles = policy.roles.iter();
    let longest = roles
        .filter_map(|role| role.on(device).of(kind).or(role.own().of(kind)))
        .max()?;
    let anonymous = Bounds {
        idle: Some(policy.anonymous_idle),
        absolute: Some(policy.anonymous_absolute),
    };
    Some(
        anonymous
            .of(kind)
            .map_or(longest, |limit| limit.max(longest)),
    )
}
