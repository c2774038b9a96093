use thiserror::Error;

/// Why a call to the gateway failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The gateway's URL cannot be used.
    #[error("{0}")]
    Url(String),
    /// The token cannot be sent in a header.
    #[error("the token must consist of visible ASCII characters")]
    Token,
    /// No connection.
    #[error("could not connect to the gateway at {authority}: {why}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What happened.
        why: String,
    },
    /// The gateway answered with an error.
    #[error("the gateway answered {status}: {error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The gateway's explanation.
        error: String,
        /// How long to wait before trying again, in seconds, if the gateway says so.
        retry_after: Option<u64>,
    },
    /// The connection broke, before or within the answer.
    #[error("the connection to the gateway broke: {0}")]
    Broken(String),
    /// What came is not an answer of a clawnode gateway.
    #[error("this is not the answer of a clawnode gateway: {0}")]
    NotAGateway(String),
    /// One event is larger than [`Events::MAX_EVENT`](super::Events::MAX_EVENT).
    #[error("an event of the gateway is too large")]
    EventTooLarge,
}
