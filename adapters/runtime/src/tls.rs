//! TLS as a filter on a byte stream, the same for every runtime.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use clawnode_protocol::dialect::openclaw::Fingerprint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use thiserror::Error;

use crate::runtime::ByteStream;

/// TLS to one gateway: whom to trust, and everything else a connection is made from.
///
/// A [`Node`](crate::Node) makes its own. This is for those who want to look at a gateway's TLS without being a node.
pub struct Tls {
    config: Arc<ClientConfig>,
    verifier: Arc<dyn ServerCertVerifier>,
    server: ServerName<'static>,
}

/// TLS cannot be set up: the file of certificate authorities, those of the system, or the gateway's host cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnusableTls(String);

/// What a TLS handshake showed. See [`Tls::inspect`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection<S> {
    /// The certificates that the gateway presented, each in DER form, its own first. Empty if it did not get that far.
    pub certificates: Vec<Vec<u8>>,
    /// The stream inside TLS, or why there is none. A [`TlsError`] is inside the error if TLS itself is to blame.
    pub stream: io::Result<TlsStream<S>>,
}

impl<S> Inspection<S> {
    /// A handshake that showed nothing.
    pub fn failed(error: io::Error) -> Self {
        Self { certificates: Vec::new(), stream: Err(error) }
    }
}

/// Why TLS gave a connection up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("TLS: {text}")]
pub struct TlsError {
    fault: TlsFault,
    text: String,
}

/// What was wrong with a gateway's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The certificate is for other names.
    WrongName,
    /// No authority that is trusted vouches for the certificate.
    UnknownAuthority,
    /// It is another certificate than the pinned one.
    WrongFingerprint,
    /// Something else is wrong with the certificate.
    Certificate,
    /// What was received is not TLS.
    NotTls,
    /// Anything else.
    Other,
}

impl Tls {
    /// TLS to `host`, a name or an IP address without brackets, which must prove to be it to an authority of the PEM file `ca`, or
    /// of the platform if there is none.
    ///
    /// # Errors
    ///
    /// [`UnusableTls`], which says what cannot be used.
    pub fn new(host: &str, ca: Option<&Path>) -> Result<Self, UnusableTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match ca {
            Some(path) => {
                let authorities = Arc::new(read_authorities(path)?);
                WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(&provider))
                    .build()
                    .map_err(|error| UnusableTls(error.to_string()))?
            }
            None => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(|error| {
                UnusableTls(format!(
                    "the certificate authorities of this system cannot be used: {error}"
                ))
            })?),
        };
        let mut tls = Self::verified(host, provider, verifier)?;
        // One gateway needs one session, not the memory of 256.
        Arc::make_mut(&mut tls.config).resumption = Resumption::in_memory_sessions(2);
        Ok(tls)
    }

    /// TLS to `host`, whose certificate must be this one and no other, whoever vouches for it. Nothing is written inside TLS before
    /// it has been seen (openclaw page 1.1).
    ///
    /// # Errors
    ///
    /// [`UnusableTls`], when the host is neither a name nor an address.
    pub fn pinned(host: &str, fingerprint: Fingerprint) -> Result<Self, UnusableTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Pinned { fingerprint, provider: Arc::clone(&provider) });
        Self::verified(host, provider, verifier)
    }

    fn verified(
        host: &str,
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, UnusableTls> {
        let server = ServerName::try_from(host.to_owned()).map_err(|_| {
            UnusableTls("the gateway's host is neither a DNS name nor an IP address".to_owned())
        })?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| UnusableTls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        // A session resumed would be one whose certificate was not seen.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), verifier, server })
    }

    /// The opening handshake.
    ///
    /// # Errors
    ///
    /// Those of the stream, and [`TlsError`] inside an error of the kind [`io::ErrorKind::InvalidData`].
    pub async fn connect<S: ByteStream>(&self, stream: S) -> io::Result<TlsStream<S>> {
        Self::shake_hands(Arc::clone(&self.config), &self.server, stream).await
    }

    /// The same, with a look at the certificates, whether they are trusted or not.
    pub async fn inspect<S: ByteStream>(&self, stream: S) -> Inspection<S> {
        let watched =
            Arc::new(Watched { verifier: Arc::clone(&self.verifier), seen: Mutex::default() });
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::disabled();
        config
            .dangerous()
            .set_certificate_verifier(Arc::clone(&watched) as Arc<dyn ServerCertVerifier>);
        let stream = Self::shake_hands(Arc::new(config), &self.server, stream).await;
        let certificates = std::mem::take(&mut *watched.seen());
        Inspection { certificates, stream }
    }

    async fn shake_hands<S: ByteStream>(
        config: Arc<ClientConfig>,
        server: &ServerName<'static>,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let session = ClientConnection::new(config, server.clone()).map_err(io::Error::other)?;
        let mut stream = TlsStream { stream, session: Box::new(session) };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server", &self.server).finish_non_exhaustive()
    }
}

impl TlsError {
    /// What was wrong.
    pub fn fault(&self) -> TlsFault {
        self.fault
    }

    /// What it is and, for the errors people meet, also what to do.
    fn of(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        let fault = match error {
            rustls::Error::InvalidCertificate(invalid) => match invalid {
                Certificate::Expired | Certificate::ExpiredContext { .. } => TlsFault::Expired,
                Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                    TlsFault::NotYetValid
                }
                Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                    TlsFault::WrongName
                }
                // A bad signature is that of another authority of the same name.
                Certificate::UnknownIssuer | Certificate::BadSignature => {
                    TlsFault::UnknownAuthority
                }
                Certificate::Other(other) => match other.0.downcast_ref::<NotPinned>() {
                    Some(wrong) => {
                        return Self { fault: TlsFault::WrongFingerprint, text: wrong.to_string() };
                    }
                    None => TlsFault::Certificate,
                },
                _ => TlsFault::Certificate,
            },
            rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
            _ => TlsFault::Other,
        };
        let advice = match fault {
            TlsFault::NotTls => "; does the gateway speak TLS on this port?",
            TlsFault::Other => "",
            _ => "; a gateway with a private certificate authority needs that authority's file",
        };
        Self { fault, text: format!("{error}{advice}") }
    }
}

/// Another certificate than the pinned one.
#[derive(Debug, Clone, Copy, Error)]
#[error(
    "the gateway's certificate is not the pinned one: its fingerprint is sha256:{presented}, the pinned one is sha256:{pinned}"
)]
struct NotPinned {
    presented: Fingerprint,
    pinned: Fingerprint,
}

/// Keeps what was presented, and leaves the judgement to another.
#[derive(Debug)]
struct Watched {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Watched {
    fn seen(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = std::iter::once(end_entity).chain(intermediates);
        *self.seen() = presented.map(|certificate| certificate.to_vec()).collect();
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
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
            let wrong =
                NotPinned { presented: Fingerprint::of(end_entity), pinned: self.fingerprint };
            let wrong = rustls::OtherError(Arc::new(wrong));
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::Other(wrong)))
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

fn read_authorities(path: &Path) -> Result<RootCertStore, UnusableTls> {
    let shown = path.display();
    let invalid = |error: &dyn fmt::Display| {
        UnusableTls(format!("the file of certificate authorities {shown} cannot be used: {error}"))
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
pub struct TlsStream<S> {
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
            let error = TlsError::of(&error);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
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

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsStream(..)")
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

/// The largest TLS record's payload (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;
