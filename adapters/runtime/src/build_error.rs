use thiserror::Error;

use crate::builder::MOST_METADATA_BYTES;

/// A node cannot be built as described.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two handlers have the same name.
    #[error("two handlers serve the command `{0}`")]
    DuplicateCommand(String),
    /// There is no such command to choose.
    #[error("there is no command `{0}` to serve; there are: {1}")]
    UnknownCommand(String, String),
    /// There can be one handler for workflows.
    #[error("two handlers run workflows")]
    DuplicateWorkflows,
    /// A command needs a name.
    #[error("a command has an empty name")]
    EmptyCommand,
    /// A node needs a name.
    #[error("the node id is empty; leave it out for a random one")]
    EmptyNodeId,
    /// The node says these itself.
    #[error("the metadata `{0}` is the node's own; choose another key")]
    OwnMetadata(String),
    /// A value cannot be written as JSON.
    #[error("the metadata `{0}` cannot be written as JSON: {1}")]
    Metadata(String, String),
    /// A registration is a message of reasonable size.
    #[error("the metadata has {0} bytes, of at most {MOST_METADATA_BYTES}")]
    TooMuchMetadata(usize),
    /// More than one of `token`, `token_file` and `credentials` was given.
    #[error(
        "the token is given in two ways; give one of token, token file and credentials provider"
    )]
    TwoCredentials,
    /// A period of no length would keep the node busy with nothing else.
    #[error("the {0} must be longer than zero")]
    ZeroDuration(&'static str),
    /// A certificate authority is of no use without TLS.
    #[error(
        "a file of certificate authorities is given, but the gateway's URL is ws://, without TLS; use wss://"
    )]
    AuthoritiesWithoutTls,
    /// A fingerprint is of no use without TLS.
    #[error(
        "the fingerprint of a certificate is given, but the gateway's URL is ws://, without TLS; use wss://"
    )]
    FingerprintWithoutTls,
    /// One of the two must decide.
    #[error(
        "both a fingerprint and a file of certificate authorities are given; give one of them, as a fingerprint decides alone"
    )]
    FingerprintAndAuthorities,
    /// Without TLS everyone on the way could read the credentials and give the node orders.
    #[error(
        "without TLS (ws://) an openclaw gateway is spoken to on this machine and in private networks only; use wss://, or a tunnel to this machine"
    )]
    PublicWithoutTls,
    /// A header is for TLS only.
    #[error("the header {0} would travel unencrypted, as the gateway's URL is ws://; use wss://")]
    HeaderWithoutTls(String),
    /// A header cannot be sent, or is one that the node writes itself.
    #[error(
        "the header {0} cannot be sent: its name or value has characters that headers do not have, or the node writes it itself"
    )]
    InvalidHeader(String),
    /// TLS cannot be set up: the file of certificate authorities, or those of the system, cannot be used.
    #[error("{0}")]
    Tls(String),
}
