//! The scripts: each one conditional write. Redis knows them by the hash of their text and
//! forgets them when it restarts.

use redis::{Cmd, Pipeline, Value};

use crate::store::StoreError;

use super::fault;
use super::link::{Attempt, Link};

/// One script.
pub(super) struct Script {
    text: &'static str,
    sha: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            sha: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// The command that runs it.
    pub(super) fn on(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        const FIXED: usize = "EVALSHA".len() + 40 + 2;
        let parts = keys.iter().chain(arguments);
        let bytes = FIXED + parts.clone().map(|part| part.len()).sum::<usize>();
        let mut command = Cmd::with_capacity(3 + keys.len() + arguments.len(), bytes);
        command.arg("EVALSHA").arg(&self.sha).arg(keys.len());
        for part in parts {
            command.arg(*part);
        }
        command
    }
}

/// Every script, hashed once.
pub(super) struct Scripts {
    pub(super) touch: Script,
    pub(super) create: Script,
    pub(super) claim: Script,
    pub(super) activate: Script,
    pub(super) end: Script,
    pub(super) bind: Script,
    pub(super) amend: Script,
    pub(super) cut: Script,
    pub(super) claim_due: Script,
    pub(super) rearm: Script,
    pub(super) rearm_all: Script,
    pub(super) clock: Script,
    pub(super) take_seat: Script,
    pub(super) leave_seats: Script,
    pub(super) hand_over_seat: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            touch: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("touch.lua")
            )),
            create: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("create.lua")
            )),
            claim: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("claim.lua")
            )),
            activate: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("activate.lua")
            )),
            end: Script::new(concat!(include_str!("record.lua"), include_str!("end.lua"))),
            bind: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("bind.lua")
            )),
            amend: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("amend.lua")
            )),
            cut: Script::new(concat!(include_str!("record.lua"), include_str!("cut.lua"))),
            claim_due: Script::new(include_str!("claim_due.lua")),
            rearm: Script::new(concat!(
                include_str!("record.lua"),
                include_str!("rearm.lua")
            )),
            rearm_all: Script::new(include_str!("rearm_all.lua")),
            clock: Script::new(include_str!("clock.lua")),
            take_seat: Script::new(include_str!("take_seat.lua")),
            leave_seats: Script::new(include_str!("leave_seats.lua")),
            hand_over_seat: Script::new(include_str!("hand_over_seat.lua")),
        }
    }
}

impl Link {
    /// Runs calls of one script in one round trip, or in two where the server has forgotten it.
    pub(super) async fn run_all(
        &self,
        script: &Script,
        calls: impl Fn(Attempt) -> Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        self.in_time(async {
            let (attempt, mut values) = self.ask(&calls).await?;
            if values.iter().any(is_unknown) {
                self.teach(script, &calls(attempt), &mut values).await?;
            }
            Ok(values)
        })
        .await
    }

    /// Runs one call of a script.
    pub(super) async fn run(
        &self,
        script: &Script,
        call: impl Fn(Attempt) -> Cmd,
    ) -> Result<Value, StoreError> {
        let calls = |attempt| {
            let mut calls = Pipeline::with_capacity(1);
            calls.add_command(call(attempt));
            calls
        };
        let values = self.run_all(script, calls).await?;
        match values.into_iter().next() {
            Some(Value::ServerError(error)) => Err(fault::of_answer(&error)),
            Some(value) => Ok(value),
            None => Err(StoreError::Garbled("no answer to a command".to_owned())),
        }
    }

    /// Loads the script and repeats the calls that failed for want of it: they did nothing.
    async fn teach(
        &self,
        script: &Script,
        calls: &Pipeline,
        values: &mut [Value],
    ) -> Result<(), StoreError> {
        let mut again = Pipeline::new();
        again.cmd("SCRIPT").arg("LOAD").arg(script.text);
        for (call, value) in calls.cmd_iter().zip(values.iter()) {
            if is_unknown(value) {
                again.add_command(call.clone());
            }
        }
        let answers = self.ask_once(&again).await?;
        let unknown = values.iter_mut().filter(|value| is_unknown(value));
        for (value, answer) in unknown.zip(answers.into_iter().skip(1)) {
            *value = answer;
        }
        Ok(())
    }
}

fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}
