//! How many ids are recorded that no login vouches for: a flood of them must not fill the store.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

use crate::config::Caps;
use crate::domain::time::Timestamp;

/// Client addresses that are counted one by one. Those that come beyond them wait for the next
/// window: were the counts given up instead, whoever has many addresses could reset them at will.
const CLIENTS_MAX: usize = 65_536;

/// Counts what this gateway recorded in the present window.
///
/// For anonymous ids a window is as long as such a session can live: no more than twice the cap,
/// of this window and of the one before, are alive at once.
pub(crate) struct Quota {
    window: Mutex<Window>,
}

struct Window {
    began: Timestamp,
    total: usize,
    per_client: HashMap<IpAddr, usize>,
    caps: Caps,
    length: Duration,
}

impl Quota {
    pub(crate) fn new(caps: Caps, length: Duration) -> Self {
        let window = Window {
            began: Timestamp::from_millis(0),
            total: 0,
            per_client: HashMap::new(),
            caps,
            length,
        };
        Self {
            window: Mutex::new(window),
        }
    }

    /// Takes over the caps of a new configuration.
    pub(crate) fn set(&self, caps: Caps, length: Duration) {
        let mut window = self.lock();
        window.caps = caps;
        window.length = length;
    }

    /// Whether one more may be recorded for this client; if so, it is counted.
    pub(crate) fn admit(&self, client: IpAddr, now: Timestamp) -> bool {
        let mut window = self.lock();
        if now.since(window.began) >= window.length {
            window.began = now;
            window.total = 0;
            window.per_client.clear();
        }
        let caps = window.caps;
        let client = network(client);
        let mine = window.per_client.get(&client).copied();
        let is_new = mine.is_none();
        let mine = mine.unwrap_or_default();
        if window.total >= caps.total
            || mine >= caps.per_client
            || (is_new && window.per_client.len() >= CLIENTS_MAX)
        {
            return false;
        }
        window.per_client.insert(client, mine + 1);
        window.total += 1;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One client: an IPv4 address, or the /64 network that one IPv6 client has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::time::Duration;

    use super::{CLIENTS_MAX, Quota};
    use crate::config::Caps;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_client_reaches_its_cap_and_others_do_not() {
        let caps = Caps {
            total: 3,
            per_client: 2,
        };
        let quota = Quota::new(caps, Duration::from_secs(60));
        let at = Timestamp::from_millis;
        let ask = |client: &str, now| quota.admit(client.parse().unwrap(), at(now));
        assert!(ask("10.0.0.1", 100_000));
        assert!(ask("10.0.0.1", 100_001));
        assert!(!ask("10.0.0.1", 100_002));
        assert!(ask("2001:db8::1", 100_003));
        assert!(!ask("2001:db8::2", 159_999), "the total is reached");
        assert!(ask("10.0.0.1", 160_000), "a new window");
    }

    #[test]
    fn many_addresses_do_not_reset_what_is_counted() {
        let caps = Caps {
            total: usize::MAX,
            per_client: 1,
        };
        let quota = Quota::new(caps, Duration::from_secs(60));
        let now = Timestamp::from_millis(100_000);
        let client = |n: usize| IpAddr::from(Ipv6Addr::from((n as u128) << 64));
        assert!((0..CLIENTS_MAX).all(|n| quota.admit(client(n), now)));
        assert!(!quota.admit(client(CLIENTS_MAX), now), "one too many");
        assert!(!quota.admit(client(0), now), "still counted");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let caps = Caps {
            total: 9,
            per_client: 1,
        };
        let quota = Quota::new(caps, Duration::from_secs(60));
        let now = Timestamp::from_millis(100_000);
        assert!(quota.admit("2001:db8::1".parse().unwrap(), now));
        assert!(!quota.admit("2001:db8::2".parse().unwrap(), now));
        assert!(quota.admit("2001:db8:0:1::1".parse().unwrap(), now));
    }
}
