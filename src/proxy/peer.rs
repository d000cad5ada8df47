//! The other end of a client's connection, as the connection itself tells it.

use std::sync::Arc;

use ipnet::IpNet;

use super::alarm::Alarm;
use super::head::forwarded::{PeerAddress, Scheme};

/// Who is at the other end of a connection.
pub(crate) struct Peer {
    pub(crate) address: PeerAddress,
    /// What the connection speaks.
    pub(crate) scheme: Scheme,
    /// Peers whose forwarding headers are believed.
    pub(crate) trusted: Arc<[IpNet]>,
    /// The timer of whatever the connection waits for.
    pub(crate) alarm: Alarm,
}

impl Peer {
    /// Whether what it says of others is believed.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&self.address.ip))
    }
}
