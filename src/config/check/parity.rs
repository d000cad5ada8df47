//! What roles say of devices: nothing looser than elsewhere, unless it is written why, and unless
//! no client can claim to be on such a device.

use super::Checker;
use super::heir::Heir;
use super::limits::{Rulebook, Told, ToldBounds};
use crate::config::device::Devices;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::device::RawRoleDevice;
use crate::config::value::did_you_mean;
use crate::domain::limits::{Bounds, DeviceId, LimitKind, Rule};

impl Checker<'_> {
    /// The limits that a role has on devices, in place of its own.
    pub(super) fn on_devices(
        &self,
        heir: &Heir<'_>,
        known: &Devices,
        rules: &mut Rulebook,
    ) -> Vec<(DeviceId, Bounds)> {
        for (name, on) in &heir.role().devices {
            let Some(device) = self.device(name, rules) else {
                continue;
            };
            let rule = Rule::Role(heir.id(), Some(device));
            rules.lines.insert(rule, self.line(&on.place));
            if let Some(because) = &on.value.because {
                let reason = because.value.trim();
                rules.lines.insert_reason((heir.id(), Some(device)), reason);
            }
            self.written_on(heir, (&name.value, on), (device, known), rules);
        }
        let mut on_devices = Vec::new();
        for index in 0..rules.policy.devices.len() {
            let device = DeviceId::at(index);
            let name = rules.policy.name_of_device(Some(device)).to_owned();
            let [idle, absolute] = LimitKind::BOTH.map(|kind| {
                let (giver, told) = heir.limit_on(&name, kind)?;
                rules
                    .lines
                    .insert_heir((heir.id(), Some(device)), kind, giver);
                Some(told.value.0)
            });
            let bounds = Bounds { idle, absolute };
            if bounds.is_set() {
                on_devices.push((device, bounds));
            }
        }
        on_devices
    }

    fn device(&self, name: &At<String>, rules: &Rulebook) -> Option<DeviceId> {
        let device = rules.policy.device_named(&name.value);
        if device.is_none() {
            let classes = rules.policy.devices.iter();
            let names: Vec<&str> = classes.map(|class| &*class.name).collect();
            let message = format!("no class of devices is called {:?}", name.value);
            let help = match names.is_empty() {
                true => format!("write [devices.{}], and by what they are known", name.value),
                false => format!("write {}", did_you_mean(&name.value, names)),
            };
            self.error(Code::UnknownWord, &name.place, message, &help);
        }
        device
    }

    /// What is wrong with what a role says itself of a class.
    fn written_on(
        &self,
        heir: &Heir<'_>,
        (name, on): (&str, &At<RawRoleDevice>),
        (device, known): (DeviceId, &Devices),
        rules: &Rulebook,
    ) {
        let own: ToldBounds<'_> = [on.value.idle.as_ref(), on.value.absolute.as_ref()];
        if own.iter().all(Option::is_none) {
            let message = "says nothing of such devices";
            let help = "write an `idle` or an `absolute`, or leave the table out";
            self.error(Code::MissingKey, &on.place, message, help);
        }
        self.below_ceiling(own, rules.policy.ceiling);
        let there = LimitKind::BOTH.map(|kind| {
            let limit = heir.limit_on(name, kind).or_else(|| heir.limit(kind));
            limit.map(|(_, told)| told)
        });
        self.in_order_over(own, there);
        let class = rules.policy.devices.get(device.index());
        let is_by_network = known
            .0
            .get(device.index())
            .is_some_and(|rule| rule.is_by_network());
        for ((told, elsewhere), kind) in own.into_iter().zip(heir.limits()).zip(LimitKind::BOTH) {
            let Some(told) = told else { continue };
            if let Some(elsewhere) = elsewhere.filter(|limit| told.value.0 > limit.value.0) {
                self.looser(
                    told,
                    elsewhere,
                    on.value.because.as_ref(),
                    (name, is_by_network),
                );
            }
            if let Some(most) = class.and_then(|class| class.bounds.of(kind))
                && told.value.0 > most
            {
                self.never_applies(told, most, &format!("no session on {name} has more than"));
            }
        }
    }

    /// A limit on some device that is longer than elsewhere.
    fn looser(
        &self,
        told: Told<'_>,
        elsewhere: Told<'_>,
        because: Option<&At<String>>,
        (device, is_by_network): (&str, bool),
    ) {
        let most = humantime::format_duration(elsewhere.value.0);
        let has_reason = because.is_some_and(|told| !told.value.trim().is_empty());
        let (code, message, help) = match (has_reason, is_by_network) {
            (false, _) => (
                Code::Looser,
                format!("longer than on other devices ({most}), and nobody wrote why"),
                format!("write at most \"{most}\", or because = \"..\" beside it"),
            ),
            (true, false) => (
                Code::Forgeable,
                format!("any client can say that it is on {device:?}, and would have this limit"),
                format!(
                    "write `networks` in each `when` of [devices.{device}], or at most \"{most}\""
                ),
            ),
            (true, true) => return,
        };
        let fault = Fault::error(code, &told.place, message).help(help);
        self.findings
            .push(fault.other(&elsewhere.place, "holds on other devices"));
    }
}
