//! The deployment clock: Redis' `TIME`, seen through this machine's monotonic clock.
//!
//! A server's clock may jump: another server takes over, or somebody sets it. Such a jump is not
//! followed. What would undo it is stored once for that server, and every gateway adds it to what
//! the server says, so that all keep the time they had.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use crate::clock::{Clock, monotonic};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

use super::link::Link;
use super::script::Script;
use super::{fault, keys};

/// A sample that took longer says too little.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(50);

/// A larger difference between two samples is a jump.
const JUMP_MS: i64 = 100;

/// How far two honest clocks may part: one millisecond a second, twenty times what quartz does.
const DRIFT_PER_MS: i64 = 1000;

/// The last instant that a server's clock, or a correction, is believed to reach: the end of the year 9999.
/// Sums of a few of them fit an `i64`.
const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

/// Servers whose corrections are kept.
const SERVERS_MAX: usize = 16;

/// What one reading of a server's clock told.
struct Sample {
    /// Which server: its run id.
    server: String,
    /// Its clock, in milliseconds since the epoch.
    told_ms: i64,
    /// The correction stored for it, as it is spelled.
    correction: Option<String>,
    /// This machine's clock at the middle of the round trip.
    middle: Duration,
    /// The deployment clock at that moment, as it was set before.
    ours_ms: i64,
}

/// The sample that the clock was set by last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Followed {
    server: String,
    correction_ms: i64,
    at: Duration,
}

/// What to make of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// The clock stands at this instant.
    Follow { then_ms: i64, correction_ms: i64 },
    /// The server needs this correction.
    Correct { correction_ms: i64 },
}

/// Pure: all that decides is in the arguments.
fn weigh(sample: &Sample, stored_ms: Option<i64>, followed: Option<&Followed>) -> Reading {
    let Some(followed) = followed else {
        // This gateway has no time of its own yet.
        return match stored_ms {
            Some(correction_ms) => follow(sample, correction_ms),
            None => Reading::Correct { correction_ms: 0 },
        };
    };
    let correct = Reading::Correct {
        correction_ms: sample.ours_ms - sample.told_ms,
    };
    let gap = sample.middle.saturating_sub(followed.at).as_millis() as i64;
    let allowed = JUMP_MS + gap / DRIFT_PER_MS;
    let jumped =
        |correction_ms: i64| (sample.told_ms + correction_ms - sample.ours_ms).abs() > allowed;
    match stored_ms {
        None if jumped(0) => correct,
        None => Reading::Correct { correction_ms: 0 },
        // A correction that is news to us was stored by one who saw the jump; all follow it.
        Some(stored_ms)
            if followed.server == sample.server
                && followed.correction_ms == stored_ms
                && jumped(stored_ms) =>
        {
            correct
        }
        Some(stored_ms) => follow(sample, stored_ms),
    }
}

fn follow(sample: &Sample, correction_ms: i64) -> Reading {
    Reading::Follow {
        then_ms: sample.told_ms + correction_ms,
        correction_ms,
    }
}

/// Sets a gateway's clock.
pub(super) struct Sampler {
    clock: Clock,
    followed: Option<Followed>,
}

impl Sampler {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            followed: None,
        }
    }

    /// Adds the commands of a sample, unless the clock is moved by hand.
    pub(super) fn ask(&self, commands: &mut Pipeline) {
        if !self.clock.is_manual() {
            commands.cmd("TIME");
            commands.cmd("INFO").arg("server");
            commands.cmd("HGETALL").arg(keys::CLOCK);
        }
    }

    /// Sets the clock by the answers to `ask`.
    pub(super) async fn hear(
        &mut self,
        answers: Vec<Value>,
        sent: Duration,
        link: &Link,
        script: &Script,
    ) -> Result<(), StoreError> {
        let received = monotonic();
        let round_trip = received.saturating_sub(sent);
        if self.clock.is_manual() || round_trip > ROUND_TRIP_MAX {
            return Ok(());
        }
        let since_middle = round_trip / 2;
        let now_ms = self.clock.now().as_millis() as i64;
        let (server, told_ms, correction) = read(answers)?;
        let sample = Sample {
            server,
            told_ms,
            correction,
            middle: received - since_middle,
            ours_ms: now_ms - since_middle.as_millis() as i64,
        };
        let stored_ms = sample
            .correction
            .as_deref()
            .map(correction_ms)
            .transpose()?;
        let (then_ms, correction_ms) = match weigh(&sample, stored_ms, self.followed.as_ref()) {
            Reading::Follow {
                then_ms,
                correction_ms,
            } => (then_ms, correction_ms),
            Reading::Correct { correction_ms } => {
                let stands = store(&sample, correction_ms, link, script).await?;
                (sample.told_ms + stands, stands)
            }
        };
        self.clock
            .set(Timestamp::from_millis(then_ms.max(0) as u64), sample.middle);
        self.followed = Some(Followed {
            server: sample.server,
            correction_ms,
            at: sample.middle,
        });
        Ok(())
    }
}

/// Stores a correction, unless another gateway was faster; returns the one that stands.
async fn store(
    sample: &Sample,
    correction_ms: i64,
    link: &Link,
    script: &Script,
) -> Result<i64, StoreError> {
    let seen = sample.correction.as_deref().unwrap_or_default();
    let call = |_| -> Cmd {
        script.on(
            &[keys::CLOCK.as_bytes()],
            &[
                sample.server.as_bytes(),
                seen.as_bytes(),
                correction_ms.to_string().as_bytes(),
                SERVERS_MAX.to_string().as_bytes(),
            ],
        )
    };
    match link.run(script, call).await? {
        Value::BulkString(stands) => self::correction_ms(&String::from_utf8_lossy(&stands)),
        _ => Err(garbled()),
    }
}

/// The server's run id, its clock in milliseconds and the correction stored for it.
pub(super) fn read(answers: Vec<Value>) -> Result<(String, i64, Option<String>), StoreError> {
    let mut answers = answers.into_iter().map(|answer| match answer {
        Value::ServerError(error) => Err(fault::of_answer(&error)),
        answer => Ok(answer),
    });
    let mut next = || answers.next().unwrap_or_else(|| Err(garbled()));
    let (seconds, micros): (i64, i64) = redis::from_redis_value(next()?).map_err(|_| garbled())?;
    let info: String = redis::from_redis_value(next()?).map_err(|_| garbled())?;
    let corrections: Vec<(String, String)> =
        redis::from_redis_value(next()?).map_err(|_| garbled())?;
    let server = info
        .lines()
        .find_map(|line| line.strip_prefix("run_id:"))
        .ok_or_else(garbled)?
        .to_owned();
    let correction = corrections
        .into_iter()
        .find_map(|(known, correction)| (known == server).then_some(correction));
    let told_ms = seconds.saturating_mul(1000).saturating_add(micros / 1000);
    if !(0..=INSTANT_MS_MAX).contains(&told_ms) {
        return Err(garbled());
    }
    Ok((server, told_ms, correction))
}

pub(super) fn correction_ms(text: &str) -> Result<i64, StoreError> {
    let correction_ms = text.parse().map_err(|_| garbled())?;
    if !(-INSTANT_MS_MAX..=INSTANT_MS_MAX).contains(&correction_ms) {
        return Err(garbled());
    }
    Ok(correction_ms)
}

fn garbled() -> StoreError {
    StoreError::Garbled("the clock".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::Value;

    use super::{Followed, INSTANT_MS_MAX, Reading, Sample, correction_ms, read, weigh};

    #[test]
    fn a_clock_beyond_all_time_is_none() {
        let told = |seconds: i64, micros: i64| {
            let text = |text: &str| Value::BulkString(text.into());
            let time = Value::Array(vec![Value::Int(seconds), Value::Int(micros)]);
            read(vec![time, text("run_id:a"), Value::Array(Vec::new())])
                .map(|(_, told_ms, _)| told_ms)
                .ok()
        };
        assert_eq!(told(1, 999_999), Some(1_999));
        assert_eq!(told(INSTANT_MS_MAX / 1000, 999_999), Some(INSTANT_MS_MAX));
        assert_eq!(told(INSTANT_MS_MAX / 1000 + 1, 0), None);
        assert_eq!(told(-1, 0), None);
        assert_eq!(told(i64::MAX / 1000, i64::MAX), None);
        assert_eq!(correction_ms("-253402300799999"), Ok(-INSTANT_MS_MAX));
        for text in [
            "253402300800000",
            "-253402300800000",
            "",
            "9223372036854775808",
            "1.5",
        ] {
            assert!(correction_ms(text).is_err(), "{text}");
        }
    }

    const HOUR: i64 = 3_600_000;

    /// A sample one second after the last, of a server whose clock is `ahead_ms` of ours.
    fn sample(server: &str, ahead_ms: i64) -> Sample {
        sample_after(1, server, ahead_ms)
    }

    fn sample_after(seconds: u64, server: &str, ahead_ms: i64) -> Sample {
        Sample {
            server: server.to_owned(),
            told_ms: 1_000_000_000 + ahead_ms,
            correction: None,
            middle: Duration::from_secs(500 + seconds),
            ours_ms: 1_000_000_000,
        }
    }

    fn followed(server: &str, correction_ms: i64) -> Followed {
        Followed {
            server: server.to_owned(),
            correction_ms,
            at: Duration::from_secs(500),
        }
    }

    fn follow(ahead_ms: i64, correction_ms: i64) -> Reading {
        Reading::Follow {
            then_ms: 1_000_000_000 + ahead_ms + correction_ms,
            correction_ms,
        }
    }

    #[test]
    fn a_gateway_without_a_time_of_its_own_takes_the_deployments() {
        let none = Reading::Correct { correction_ms: 0 };
        assert_eq!(weigh(&sample("a", HOUR), None, None), none);
        let corrected = follow(HOUR, -HOUR);
        assert_eq!(weigh(&sample("a", HOUR), Some(-HOUR), None), corrected);
    }

    #[test]
    fn small_differences_are_followed_and_jumps_are_not() {
        let followed = followed("a", 0);
        for ahead in [-100, 0, 100] {
            let reading = weigh(&sample("a", ahead), Some(0), Some(&followed));
            assert_eq!(reading, follow(ahead, 0), "{ahead}");
        }
        for ahead in [-HOUR, -102, 102, HOUR] {
            let reading = weigh(&sample("a", ahead), Some(0), Some(&followed));
            let undone = Reading::Correct {
                correction_ms: -ahead,
            };
            assert_eq!(reading, undone, "{ahead}");
        }
    }

    #[test]
    fn another_server_is_corrected_to_the_time_we_have() {
        let followed = followed("a", 0);
        let reading = weigh(&sample("b", HOUR), None, Some(&followed));
        let undone = Reading::Correct {
            correction_ms: -HOUR,
        };
        assert_eq!(reading, undone);
        let same = weigh(&sample("b", 50), None, Some(&followed));
        assert_eq!(same, Reading::Correct { correction_ms: 0 });
    }

    #[test]
    fn a_correction_that_another_gateway_stored_is_followed_whatever_it_says() {
        let reading = weigh(&sample("b", HOUR), Some(-2 * HOUR), Some(&followed("a", 0)));
        assert_eq!(reading, follow(HOUR, -2 * HOUR));
        let news = weigh(&sample("a", HOUR), Some(-2 * HOUR), Some(&followed("a", 0)));
        assert_eq!(news, follow(HOUR, -2 * HOUR));
    }

    #[test]
    fn after_a_gap_the_clocks_may_have_drifted_apart() {
        let followed = followed("a", 0);
        let after_a_minute = |ahead| weigh(&sample_after(60, "a", ahead), Some(0), Some(&followed));
        assert_eq!(after_a_minute(160), follow(160, 0));
        let undone = Reading::Correct {
            correction_ms: -161,
        };
        assert_eq!(after_a_minute(161), undone);
    }
}
