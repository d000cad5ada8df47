//! What of an app's traffic is passive, and which frames are a person's.

use std::sync::Arc;

use toml::de::DeTable;

use super::pattern::RawPattern;
use super::{Checker, every, items};
use crate::config::app::PathPattern;
use crate::config::fault::{At, Code, Findings, Place};
use crate::config::passive::{FrameRule, Opcode, PassiveRule, Passivity, Preset};
use crate::config::raw::app::RawApp;
use crate::config::raw::passive::{RawPassive, RawPersonFrames, RawPreset};
use crate::config::reader::TableReader;

/// Where no path is said.
const ANYWHERE: &str = "/**";

impl Checker<'_> {
    pub(super) fn passivity(&self, app: &RawApp) -> Option<Passivity> {
        let presets = items(app.presets.as_ref());
        let named = presets.iter().map(|told| (&told.value.0, &told.place));
        self.no_duplicates(named, "write it once");
        let mut passivity = Passivity::default();
        for preset in presets {
            let of_preset = self.preset(preset.value.0);
            passivity.requests.extend(of_preset.requests);
            passivity.frames.extend(of_preset.frames);
        }
        let requests = every(&app.passive, |raw| self.passive(raw, None));
        let frames = every(&app.person_frames, |raw| self.person_frames(raw, None));
        passivity.requests.extend(requests?);
        passivity.frames.extend(frames?.into_iter().map(Arc::new));
        Some(passivity)
    }

    /// What a preset stands for, read as if an app had said it. A test sees to it that none of
    /// them has a fault.
    fn preset(&self, preset: Preset) -> Passivity {
        let findings = Findings::default();
        let checker = Checker {
            findings: &findings,
            text: preset.text(),
            ..*self
        };
        let (root, _) = DeTable::parse_recoverable(preset.text());
        let raw: RawPreset = TableReader::read_root(&root, &findings);
        let requests = raw.passive.iter();
        let requests = requests.filter_map(|raw| checker.passive(raw, Some(preset)));
        let frames = raw.person_frames.iter();
        let frames = frames.filter_map(|raw| checker.person_frames(raw, Some(preset)));
        Passivity {
            requests: requests.collect(),
            frames: frames.map(Arc::new).collect(),
        }
    }

    fn passive(&self, raw: &At<RawPassive>, preset: Option<Preset>) -> Option<PassiveRule> {
        let RawPassive {
            path,
            methods,
            query,
            headers,
            status,
        } = &raw.value;
        let says_something = path.is_some()
            || methods.is_some()
            || query.is_some()
            || headers.is_some()
            || status.is_some();
        if !says_something {
            let message = "every request of the app would be passive, and no session would last";
            let help = "write which are meant, like path = \"/ui/poll\"";
            self.error(Code::Contradiction, &raw.place, message, help);
            return None;
        }
        let anywhere = anywhere(&raw.place);
        let status = self.statuses(items(status.as_ref()));
        let pattern = self.request_pattern(RawPattern {
            path: Some(path.as_ref().unwrap_or(&anywhere)),
            methods: methods.as_ref(),
            query: query.as_ref(),
            headers: headers.as_ref(),
        });
        Some(PassiveRule {
            pattern: pattern?,
            status,
            preset,
        })
    }

    fn person_frames(
        &self,
        raw: &At<RawPersonFrames>,
        preset: Option<Preset>,
    ) -> Option<FrameRule> {
        let frames = &raw.value;
        let anywhere = anywhere(&raw.place);
        let path: Option<PathPattern> =
            self.path_pattern(frames.path.as_ref().unwrap_or(&anywhere));
        let text = |told: &Option<At<String>>| match told {
            Some(told) => told.value.clone(),
            None => String::new(),
        };
        let json = self.json_conditions(frames.json.as_ref());
        let json_not = self.json_conditions(frames.json_not.as_ref());
        Some(FrameRule {
            path: path?,
            opcode: (frames.opcode.as_ref()).map_or(Opcode::Text, |told| told.value.0),
            min_bytes: (frames.min_bytes.as_ref()).map_or(0, |told| told.value),
            prefix: text(&frames.prefix),
            separator: text(&frames.separator),
            json,
            json_not,
            preset,
        })
    }
}

fn anywhere(place: &Place) -> At<String> {
    At {
        value: ANYWHERE.to_owned(),
        place: place.clone(),
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use crate::config::fault::Findings;
    use crate::config::load::parse_alone;
    use crate::config::passive::Preset;
    use crate::config::raw::passive::RawPreset;
    use crate::config::reader::TableReader;
    use crate::config::value::Words;

    const APP: &str = r#"
        listeners = [{ address = "127.0.0.1:0" }]
        roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer-1"] }
        [[apps]]
        name = "shop"
        upstreams = ["http://127.0.0.1:1"]
        session = { id = "cookie:SID" }
        logins = [{ path = "/login", user = "form:user", success = { new_session = true } }]
    "#;

    #[test]
    fn every_preset_says_what_its_file_says_and_has_no_fault() {
        for (word, preset) in Preset::WORDS {
            let findings = Findings::default();
            let root = DeTable::parse(preset.text()).unwrap();
            let raw: RawPreset = TableReader::read_root(&root, &findings);
            let read = findings.into_faults(word, preset.text());
            assert!(read.is_empty(), "{read}");
            // Each of them as an app's own, where faults are told.
            let own = preset.text().replace("[[", "[[apps.");
            let own = parse_alone(&format!("{APP}\n{own}"), word).unwrap().config;
            let named = format!("{APP}\npresets = [{word:?}]");
            let named = parse_alone(&named, word).unwrap().config;
            let [own, named] = [own, named].map(|config| config.apps[0].passivity.clone());
            assert_eq!(named.requests.len(), raw.passive.len());
            assert_eq!(named.frames.len(), raw.person_frames.len());
            for (own, named) in own.requests.iter().zip(&named.requests) {
                assert_eq!(own.text(), named.text());
                assert_eq!((own.preset, named.preset), (None, Some(*preset)));
            }
            for (own, named) in own.frames.iter().zip(&named.frames) {
                assert_eq!(own.text(), named.text());
            }
        }
    }
}
