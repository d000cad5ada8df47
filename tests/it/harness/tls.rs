//! TLS for tests: an authority of a test's own, what it certifies, and a client that believes
//! nobody else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::browser::HOST;
use super::soon;

/// Who signs certificates.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Certified {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// The files in which a server finds its certificate.
#[derive(Debug, Clone)]
pub(crate) struct PemFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// An authority that nobody knows.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Of another name than what it signs, or that would seem to be signed by itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            certificate: params.self_signed(&key).expect("an authority"),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for this name or address; each time another.
    pub(crate) fn certify(&self, name: &str) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("it is a name");
        let certificate = params.signed_by(&key, &self.issuer);
        Certified {
            certificate: certificate.expect("a certificate"),
            key,
        }
    }

    /// What a client needs that believes this authority alone.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let added = roots.add(self.certificate.der().clone());
        added.expect("it is an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

impl Certified {
    /// Writes the files; over those that were there before.
    pub(crate) fn write(&self, directory: &Path) -> PemFiles {
        let files = PemFiles {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        let write = |path: &Path, pem: String| {
            std::fs::write(path, pem).expect("a file in a directory of our own");
        };
        write(&files.certificate, self.certificate.pem());
        write(&files.key, self.key.serialize_pem());
        files
    }

    /// Whether it is what the server showed.
    pub(crate) fn was_shown(&self, stream: &TlsStream<TcpStream>) -> bool {
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        chain.first() == Some(self.certificate.der())
    }
}

/// Shakes hands as a client that asks for `HOST`.
pub(crate) async fn shake_hands(
    connector: &TlsConnector,
    address: SocketAddr,
) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(HOST).expect("it is a name");
    let shaken = soon("a handshake", connector.connect(name, stream)).await;
    shaken.expect("the certificate is good")
}
