//! TLS as a filter on a byte stream, the same for every runtime.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use clawnode_protocol::dialect::openclaw::Fingerprint;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use crate::runtime::ByteStream;

/// Whom to trust, and everything else a connection is made from.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Tls {
    /// TLS to `host`, which must prove to be it to an authority of the file `ca`, or of the platform if there is none.
    pub(crate) fn new(host: &str, ca: Option<&Path>) -> Result<Self, String> {
        let server = ServerName::try_from(host.to_owned())
            .map_err(|_| "the gateway's host is neither a DNS name nor an IP address".to_owned())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = match ca {
            Some(path) => config.with_root_certificates(read_authorities(path)?),
            None => {
                let verifier = Verifier::new(provider).map_err(|error| {
                    format!("the certificate authorities of this system cannot be used: {error}")
                })?;
                config.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        }
        .with_no_client_auth();
        // One gateway needs one session, not the memory of 256.
        config.resumption = Resumption::in_memory_sessions(2);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), server })
    }

    /// TLS to `host`, whose certificate must be this one and no other, whoever vouches for it. Nothing is written inside TLS before
    /// it has been seen.
    pub(crate) fn pinned(host: &str, fingerprint: Fingerprint) -> Result<Self, String> {
        let server = ServerName::try_from(host.to_owned())
            .map_err(|_| "the gateway's host is neither a DNS name nor an IP address".to_owned())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Pinned { fingerprint, provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // A session resumed would be one whose certificate was not seen.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), server })
    }

    /// The opening handshake.
    pub(crate) async fn connect<S: ByteStream>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let session = ClientConnection::new(Arc::clone(&self.config), self.server.clone())
            .map_err(io::Error::other)?;
        let mut stream = TlsStream { stream, session: Box::new(session) };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }
}

/// Takes one certificate, whatever it says.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.fingerprint.matches(end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(format!(
                "the gateway's certificate is not the pinned one: its fingerprint is sha256:{}",
                Fingerprint::of(end_entity)
            )))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn read_authorities(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let invalid = |error: &dyn std::fmt::Display| {
        format!("the file of certificate authorities {shown} cannot be used: {error}")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| invalid(&error))? {
        let certificate = certificate.map_err(|error| invalid(&error))?;
        roots.add(certificate).map_err(|error| invalid(&error))?;
    }
    if roots.is_empty() {
        return Err(invalid(&"it holds no certificate in PEM form"));
    }
    Ok(roots)
}

/// A byte stream inside TLS.
pub(crate) struct TlsStream<S> {
    stream: S,
    session: Box<ClientConnection>,
}

impl<S: ByteStream> TlsStream<S> {
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_receive(cx))? == 0 {
                let what = "the connection was closed during the TLS handshake; does the gateway speak TLS on this port?";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
            }
        }
    }

    /// Hands the socket what TLS wants to send, all of it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut socket = Blocking { stream: &mut self.stream, cx };
            match self.session.write_tls(&mut socket) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.stream.poll_flush(cx)
    }

    /// Takes what the socket has into TLS; zero at the end of the stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut socket = Blocking { stream: &mut self.stream, cx };
        let count = match self.session.read_tls(&mut socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Err(error) = self.session.process_new_packets() {
            // The alert that says why, if the socket takes it at once.
            let _ = self.poll_send(cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, describe(&error))));
        }
        Poll::Ready(Ok(count))
    }
}

impl<S: ByteStream> ByteStream for TlsStream<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A stream cut off without TLS's own goodbye: the WebSocket knows whether that is too early.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(0));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(cx))?;
            // Reading may give rise to answers, such as new keys.
            if self.session.wants_write() {
                if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // At most one record waits in here: what counts as sent is sent, or as good as.
        ready!(self.poll_send(cx))?;
        let record = &bytes[..bytes.len().min(RECORD)];
        let count = self.session.writer().write(record)?;
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.send_close_notify();
        ready!(self.poll_send(cx))?;
        self.stream.poll_close(cx)
    }
}

/// A polled stream in the shape of a non-blocking socket.
struct Blocking<'a, 'b, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: ByteStream> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.poll_read(self.cx, buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: ByteStream> Write for Blocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.poll_write(self.cx, bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is wrong, and for the errors people meet also what to do.
fn describe(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(_) => format!(
            "TLS: {error}; a gateway with a private certificate authority needs that authority's file"
        ),
        rustls::Error::InvalidMessage(_) => {
            format!("TLS: {error}; does the gateway speak TLS on this port?")
        }
        _ => format!("TLS: {error}"),
    }
}

/// The largest TLS record's payload (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;
