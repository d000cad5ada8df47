//! What a million sessions in the memory store take: resident memory of a process that does
//! nothing else.
//!
//! `cargo bench --bench sessions`. Each has a user of its own, one role, and one cookie with a
//! Path, which is what a login through a form leaves.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use curfew::domain::identity::{Lineage, Sid};
use curfew::domain::policy::{PolicyVersion, RoleName};
use curfew::domain::session::{CookieScope, Login, Session, UserName};
use curfew::domain::time::Timestamp;
use curfew::store::Store;
use curfew::store::memory::MemoryStore;
use curfew::store::op::{Created, NewSession};

const SESSIONS: u32 = 1_000_000;

fn main() {
    let before = resident_kib();
    let store = Store::Memory(MemoryStore::new(SESSIONS as usize));
    for number in 0..SESSIONS {
        let created = pin!(store.create(Sid::from_bytes(name(number)), new_session(number)))
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(created, Poll::Ready(Ok(Created::Recorded))));
    }
    let taken = resident_kib() - before;
    println!(
        "{SESSIONS} sessions in memory: {} MiB, {} bytes each",
        taken / 1024,
        taken * 1024 / u64::from(SESSIONS)
    );
}

/// What this process holds, in KiB (proc_pid_status(5)).
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .expect("it is a number of KiB")
}

fn new_session(number: u32) -> NewSession {
    let began = Timestamp::from_millis(1_800_000_000_000 + u64::from(number));
    let session = Session {
        lineage: Lineage::from_bytes(name(!number)),
        generation: 0,
        app: "procurement".into(),
        started: began,
        until: None,
        login: Some(Login {
            admitted: began,
            user: UserName::new(&format!("buyer-{number}")),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: began,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: vec![CookieScope {
            name: "JSESSIONID".into(),
            path: Some("/".into()),
            domain: None,
        }],
        token: None,
        would_have_ended: Default::default(),
    };
    NewSession {
        session: Arc::new(session),
        last_active: began,
        pending: false,
        forget_at: began.plus(Duration::from_secs(24 * 3600)),
    }
}

/// Spread like hashes are, so that shards fill evenly.
fn name(number: u32) -> [u8; 16] {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread.to_be_bytes()
}
