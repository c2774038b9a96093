use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::state::state;

/// A token or other credential: its text never appears in Debug output, so never in logs or errors.
///
/// Where a peer quotes it, such as in the reason of a refusal, `[hidden]` takes its place before anybody sees the text:
///
/// - An [ordinary](Self::is_ordinary) one, such as `gateway` or `8080`, is hidden where it stands by itself. Inside of a longer word
///   it is no quotation, and hiding it there would only make the text unreadable.
/// - Any other of three bytes or more is hidden wherever it appears, as it is or percent-encoded. Random text appears as a quotation
///   only, so random text is what a secret should be.
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

    /// Whether it is letters alone or digits alone (ASCII), and 16 at most, as the words and numbers of any text are. Such a secret is
    /// easily guessed.
    pub fn is_ordinary(&self) -> bool {
        let letters = self.0.bytes().all(|byte| byte.is_ascii_alphabetic());
        let digits = self.0.bytes().all(|byte| byte.is_ascii_digit());
        (letters || digits) && self.0.len() <= LONGEST_ORDINARY
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
        if self.is_ordinary() {
            return hide_word(text, &self.0);
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

/// Hides a word where it is no part of a longer one.
fn hide_word(text: &str, word: &str) -> Option<String> {
    let is_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut shown = String::new();
    let mut done = 0;
    for (start, _) in text.match_indices(word) {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        let begins = !before.ends_with(is_of_a_word) || ends_with_escape(before);
        if begins && !after.starts_with(is_of_a_word) {
            shown.push_str(&text[done..start]);
            shown.push_str(HIDDEN);
            done = start + word.len();
        }
    }
    (done > 0).then(|| shown + &text[done..])
}

/// Whether this ends as URLs or JSON write a character that is no letter: `%3D`, `\n`, `\u003d`.
fn ends_with_escape(text: &str) -> bool {
    matches!(text.as_bytes(), [.., b'%', _, _] | [.., b'\\', _] | [.., b'\\', b'u', _, _, _, _])
}

const HIDDEN: &str = "[hidden]";

/// Longer words and numbers are rare in what gateways say.
const LONGEST_ORDINARY: usize = 16;

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

    #[test]
    fn an_ordinary_word_is_hidden_where_it_stands_by_itself_and_other_words_stay_readable() {
        let word = Secret::new("node");
        for readable in ["nodes of node_id", "nodetool", "anode", "node1", "Node"] {
            assert_eq!(word.hidden_in(readable), None, "{readable}");
        }
        for (said, shown) in [
            ("node", "[hidden]"),
            ("nodes: bad token node, not node!", "nodes: bad token [hidden], not [hidden]!"),
            ("?token=node&x", "?token=[hidden]&x"),
            ("next=%3Ftoken%3Dnode", "next=%3Ftoken%3D[hidden]"),
            (
                r#"{"token":"node","e":"\u003dnode\nnode"}"#,
                r#"{"token":"[hidden]","e":"\u003d[hidden]\n[hidden]"}"#,
            ),
        ] {
            assert_eq!(word.hidden_in(said).as_deref(), Some(shown));
        }
        let number = Secret::new("8080");
        assert_eq!(number.hidden_in("18080 of 8080").as_deref(), Some("18080 of [hidden]"));
    }

    #[test]
    fn what_no_text_holds_by_chance_is_hidden_everywhere() {
        for (secret, ordinary) in [
            ("abcdefghijklmnop", true),
            ("abcdefghijklmnopq", false),
            ("n0de", false),
            ("no-de", false),
            ("nöde", false),
        ] {
            let secret = Secret::new(secret);
            assert_eq!(secret.is_ordinary(), ordinary, "{}", secret.expose());
            let inside = format!("x{}x", secret.expose());
            assert_eq!(secret.hidden_in(&inside).is_none(), ordinary, "{inside}");
        }
    }
}
