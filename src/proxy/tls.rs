//! TLS on a listener: rustls, its one provider, and certificates that can be read anew.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ProducesTickets;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not PEM.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate file holds none.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// The key is of no known kind, or of another certificate.
    #[error("{}: {source}", .path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The provider refuses to make a configuration.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// The certificate in use; clones share it.
#[derive(Clone)]
pub struct TlsKeys {
    files: TlsFiles,
    tickets: Arc<dyn ProducesTickets>,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl TlsKeys {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let tickets = aws_lc_rs::Ticketer::new().map_err(TlsError::Provider)?;
        let config = server_config(files, Arc::clone(&tickets))?;
        let current = Arc::new(ArcSwap::from_pointee(config));
        Ok(Self {
            files: files.clone(),
            tickets,
            current,
        })
    }

    /// Reads them anew, for the handshakes from now on. Tickets stay good.
    ///
    /// # Errors
    /// As `load`; the certificate in use then stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = server_config(&self.files, Arc::clone(&self.tickets))?;
        self.current.store(Arc::new(config));
        Ok(())
    }
}

fn server_config(
    files: &TlsFiles,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |source| TlsError::File { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(&files.certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mismatch = |source| TlsError::Key {
        path: files.key.clone(),
        source,
    };
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(mismatch)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = tickets;
    Ok(config)
}

/// Shakes hands within `wait`.
pub(crate) async fn accept(
    keys: &TlsKeys,
    stream: TcpStream,
    wait: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let acceptor = TlsAcceptor::from(keys.current.load_full());
    match tokio::time::timeout(wait, acceptor.accept(stream)).await {
        Ok(accepted) => accepted,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no handshake in time",
        )),
    }
}
