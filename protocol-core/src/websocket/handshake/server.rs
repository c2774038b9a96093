/// A client's valid request to upgrade, for the server to accept or reject.
///
/// `Debug` shows neither values of the query nor values of headers, except a few that are never secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeRequest {
    target: String,
}

impl UpgradeRequest {
    /// The path, without the query, as sent (not percent-decoded). Starts with `/`.
    pub fn path(&self) -> &str {
        todo!()
    }

    /// The query, without the `?`, as sent.
    pub fn query(&self) -> Option<&str> {
        todo!()
    }

    /// The first value of a header, by its name in any case; `None` also when it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let _ = (name, &self.target);
        todo!()
    }

    /// The token of `Authorization: Bearer <token>` (RFC 6750 section 2.1).
    pub fn bearer_token(&self) -> Option<&str> {
        todo!()
    }
}
