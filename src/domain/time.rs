//! Instants on the deployment's one clock.

use std::time::Duration;

/// An instant on the deployment clock, in milliseconds since the Unix epoch, UTC.
///
/// All gateways of a deployment share this clock (the store's), so that instants in records can
/// be compared. Subtraction saturates: an instant that lies in the future has an age of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last instant that RFC 3339 can spell: 9999-12-31T23:59:59.999Z.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// The instant `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long `earlier` lies back; zero where it does not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The instant `wait` later, with the millisecond as the finest unit.
    pub const fn plus(self, wait: Duration) -> Self {
        let millis = wait.as_millis();
        let millis = if millis > u64::MAX as u128 {
            u64::MAX
        } else {
            millis as u64
        };
        Self(self.0.saturating_add(millis))
    }
}
