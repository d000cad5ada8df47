//! What is written down, and how long the gateway waits.

use super::Checker;
use crate::config::defaults;
use crate::config::fault::{At, Code};
use crate::config::raw::{RawRecords, RawWaits};
use crate::config::value::{DurationText, did_you_mean};
use crate::config::{Records, Sink, Waits};

impl Checker<'_> {
    pub(super) fn records(&self, raw: Option<&At<RawRecords>>) -> Option<Records> {
        let raw = raw.map(|raw| &raw.value);
        let audit = self.sink(raw.and_then(|raw| raw.audit.as_ref()), defaults::AUDIT);
        let access = raw.and_then(|raw| raw.access_log.as_ref());
        let access = self.sink(access, defaults::ACCESS_LOG);
        Some(Records {
            audit: audit?,
            access: access?,
        })
    }

    fn sink(&self, told: Option<&At<String>>, default: &str) -> Option<Sink> {
        match (told, told.map_or(default, |told| &told.value)) {
            (_, "stdout") => Some(Sink::Stdout),
            (_, "off") => Some(Sink::Off),
            // A bare word is more likely a slip than a file without an extension.
            (Some(told), word) if !word.contains(['/', '.']) => {
                let message = format!("{word:?} means nothing here");
                let words = did_you_mean(word, ["stdout", "off"]);
                let help = format!("write {words}, or a path like \"./{word}\"");
                self.error(Code::UnknownWord, &told.place, message, &help);
                None
            }
            (_, path) => Some(Sink::File(self.surroundings.resolve(path))),
        }
    }

    pub(super) fn waits(&self, raw: Option<&At<RawWaits>>) -> Waits {
        let raw = raw.map(|raw| &raw.value);
        let wait = |told: fn(&RawWaits) -> Option<&At<DurationText>>, default| {
            raw.and_then(told).map_or(default, |told| told.value.0)
        };
        Waits {
            head: wait(|raw| raw.head.as_ref(), defaults::WAIT_HEAD),
            handshake: wait(|raw| raw.handshake.as_ref(), defaults::WAIT_HANDSHAKE),
            connect: wait(|raw| raw.connect.as_ref(), defaults::WAIT_CONNECT),
            answer: wait(|raw| raw.answer.as_ref(), defaults::WAIT_ANSWER),
            body: wait(|raw| raw.body.as_ref(), defaults::WAIT_BODY),
            drain: wait(|raw| raw.drain.as_ref(), defaults::WAIT_DRAIN),
        }
    }
}
