use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::state::state;

/// A token or other credential: its text never appears in Debug output, so never in logs or errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text of a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text as a query carries it: everything but RFC 3986's unreserved characters is encoded.
    pub(crate) fn percent_encoded(&self) -> String {
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        utf8_percent_encode(&self.0, ENCODED).to_string()
    }

    /// What a peer says may quote the credential it was shown. Returns `None` when `text` does not.
    pub(crate) fn hidden_in(&self, text: &str) -> Option<String> {
        // One or two letters are no secret, and hiding them would only garble the text.
        if self.0.len() < 3 {
            return None;
        }
        let encoded = self.percent_encoded();
        let quoted = text.contains(&self.0) || text.contains(&encoded);
        quoted.then(|| text.replace(&self.0, HIDDEN).replace(&encoded, HIDDEN))
    }
}

/// What a node may show a gateway to be let in. Which of them are used, and how, is the dialect's affair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The secret that the gateway shares with those who may connect. The only one the nodetool dialect knows.
    pub token: Option<Secret>,
    /// The password that the gateway shares with those who may connect.
    pub password: Option<Secret>,
    /// The token that the gateway gave this device when it was let in before.
    pub device_token: Option<Secret>,
    /// The token of a setup code. It is good for one pairing.
    pub bootstrap_token: Option<Secret>,
    /// Headers of the HTTP upgrade request, names and values, for what stands in front of the gateway and wants to know who comes.
    /// They are for TLS only.
    pub headers: Vec<(String, Secret)>,
}

impl Credentials {
    /// Nothing to show.
    pub fn none() -> Self {
        Self::default()
    }

    /// A shared token alone, if there is one.
    pub fn token(token: impl Into<Option<Secret>>) -> Self {
        Self { token: token.into(), ..Self::default() }
    }

    /// What a peer says may quote what it was shown.
    pub(crate) fn hide_in(&self, text: String) -> String {
        self.iter().fold(text, |text, secret| secret.hidden_in(&text).unwrap_or(text))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        let Self { token, password, device_token, bootstrap_token, headers } = self;
        let own = [token, password, device_token, bootstrap_token].into_iter().flatten();
        own.chain(headers.iter().map(|(_, value)| value))
    }
}

state!(struct Credentials { token, password, device_token, bootstrap_token, headers });

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

const HIDDEN: &str = "[hidden]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_itself_to_nobody_and_hides_in_what_others_say() {
        let secret = Secret::new("a+b/c");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        let quoted = "no a+b/c, nor ?token=a%2Bb%2Fc";
        assert_eq!(secret.hidden_in(quoted).as_deref(), Some("no [hidden], nor ?token=[hidden]"));
        assert_eq!(secret.hidden_in("nothing"), None);
        assert_eq!(Secret::new("a").hidden_in("a"), None);
        assert_eq!(Secret::new("").hidden_in("a"), None);
    }
}
