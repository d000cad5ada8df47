//! Where clients and operators connect.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::{Checker, items};
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::{RawAdmin, RawListener, RawTls};
use crate::config::{Admin, Listener, TlsFiles};

impl Checker<'_> {
    /// The listeners without those that have a fault.
    pub(super) fn listeners(&self, raw: &[At<RawListener>]) -> Vec<Listener> {
        let addresses = raw.iter().filter_map(|raw| raw.value.address.as_ref());
        self.no_duplicates(
            addresses
                .filter(|told| !told.value.ends_with(":0"))
                .map(|told| (&told.value, &told.place)),
            "two listeners cannot share an address",
        );
        raw.iter()
            .filter_map(|raw| self.listener(&raw.value))
            .collect()
    }

    fn listener(&self, raw: &RawListener) -> Option<Listener> {
        let address = raw.address.as_ref().and_then(|told| self.address(told));
        let trusted = items(raw.trusted_proxies.as_ref());
        let trusted = trusted
            .iter()
            .filter_map(|told| self.network(told))
            .collect();
        let tls = match &raw.tls {
            Some(tls) => Some(self.tls(&tls.value)?),
            None => None,
        };
        Some(Listener {
            address: address?,
            tls,
            trusted,
        })
    }

    fn tls(&self, raw: &RawTls) -> Option<TlsFiles> {
        let certificate = self.readable(raw.certificate.as_ref());
        let key = self.readable(raw.key.as_ref());
        Some(TlsFiles {
            certificate: certificate.ok()??,
            key: key.ok()??,
        })
    }

    /// The path of a file that must be there when the gateway starts.
    pub(super) fn readable(&self, told: Option<&At<String>>) -> Result<Option<PathBuf>, ()> {
        let Some(told) = told else {
            return Ok(None);
        };
        let path = self.surroundings.resolve(&told.value);
        match (self.surroundings.read_file)(&path) {
            Ok(_) => Ok(Some(path)),
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                let help =
                    "name a file that this user may read, from the configuration's directory";
                self.error(Code::Source, &told.place, message, help);
                Err(())
            }
        }
    }

    fn address(&self, told: &At<String>) -> Option<SocketAddr> {
        let text = told.value.as_str();
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let message = format!("{text:?} is no IP address with a port");
        let help = match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\""),
            Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\""),
            _ => "write \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned(),
        };
        self.error(Code::Address, &told.place, message, &help);
        None
    }

    /// A network, or one address.
    pub(super) fn network(&self, told: &At<String>) -> Option<IpNet> {
        let text = told.value.as_str();
        let network = match text.parse::<IpNet>() {
            Ok(network) => Some(network),
            Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        match network {
            Some(network) if network.addr() == network.network() => Some(network),
            Some(network) => {
                let message = format!("{text:?} is an address within its network");
                let help = format!("write \"{}\"", network.trunc());
                self.error(Code::Address, &told.place, message, &help);
                None
            }
            None => {
                let message = format!("{text:?} is no network");
                let help = "write \"10.0.0.0/8\", \"192.0.2.7\" or \"fd00::/8\"";
                self.error(Code::Address, &told.place, message, help);
                None
            }
        }
    }

    /// The admin listener; `None` for a fault, `Some(None)` where none is wanted.
    pub(super) fn admin(&self, raw: Option<&At<RawAdmin>>) -> Option<Option<Admin>> {
        let Some(raw) = raw else {
            return Some(None);
        };
        let told = raw.value.address.as_ref();
        let address = match told {
            Some(told) => self.address(told),
            None => defaults::ADMIN_ADDRESS.parse().ok(),
        };
        let token = self.token(raw.value.token_file.as_ref(), raw.value.token.as_ref());
        let (address, token) = (address?, token.ok()?);
        if let Some(told) = told.filter(|_| token.is_none() && !address.ip().is_loopback()) {
            let fault = Fault::error(
                Code::ExposedAdmin,
                &told.place,
                "others than this machine reach it, and it has no token",
            );
            self.findings.push(
                fault.help("write token_file = \"admin.token\", or address = \"127.0.0.1:9900\""),
            );
        }
        Some(Some(Admin { address, token }))
    }
}
