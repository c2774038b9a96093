//! Setup codes: everything a device needs to pair with a gateway, in one word.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use thiserror::Error;

use super::Fingerprint;
use crate::secret::Secret;
use crate::time::Timestamp;

/// A setup code (openclaw page 5.5): where a gateway is, and a token that is good for one pairing within ten minutes.
///
/// It comes as `oc-pair://` and base64url, with or without the former, or as the JSON object that a [`JoinLink`] leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupCode {
    /// Where the gateway may be reached, the likeliest place first: 1 to 8.
    pub candidates: Vec<Candidate>,
    /// The token for the one pairing.
    pub bootstrap_token: Secret,
    /// When the code ceases to be good, if it says so.
    pub expires_at: Option<Timestamp>,
}

/// A place where a gateway may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// A URL, `ws://` or `wss://`, with the scheme's own port unless it names one.
    pub url: String,
    /// The fingerprint of the certificate that must be shown there.
    pub fingerprint: Option<Fingerprint>,
}

impl Candidate {
    /// A place without a certificate of its own.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), fingerprint: None }
    }
}

/// The text is no setup code that can be used now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidSetupCode {
    /// Not base64url.
    #[error(
        "a setup code has only letters, digits, `-` and `_`, perhaps after oc-pair://; copy it again, all of it"
    )]
    Characters,
    /// Not the JSON object it should be.
    #[error("this is not a whole setup code; copy it again, all of it")]
    Content,
    /// More than [`MOST_SETUP_CODE_BYTES`].
    #[error("this is far too long for a setup code; copy it again, and nothing else")]
    TooLong,
    /// A URL in it cannot be one of a gateway.
    #[error(
        "the setup code names a place that is no gateway's; make another code with a ws:// or wss:// URL"
    )]
    Url,
    /// The fingerprint in it is none.
    #[error("the setup code holds a certificate's fingerprint that is none; make another code")]
    Fingerprint,
    /// It is too old.
    #[error(
        "the setup code has expired, as they do after ten minutes; make another on the gateway"
    )]
    Expired,
}

/// Bytes of the largest setup code's JSON (openclaw page 5.5).
pub const MOST_SETUP_CODE_BYTES: usize = 24_576;

impl SetupCode {
    /// Reads a setup code as people are given it. `now` is compared with the time that it is good until.
    ///
    /// # Errors
    ///
    /// [`InvalidSetupCode`], which never repeats the code.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, InvalidSetupCode> {
        let text = text.trim();
        let prefix = text.get(..SCHEME.len()).filter(|start| start.eq_ignore_ascii_case(SCHEME));
        let code = prefix.map_or(text, |prefix| text[prefix.len()..].trim());
        if code.len() > MOST_SETUP_CODE_BYTES / 3 * 4 {
            return Err(InvalidSetupCode::TooLong);
        }
        let json =
            BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|_| InvalidSetupCode::Characters)?;
        Self::from_json(&json, now)
    }

    /// Reads the JSON object of a setup code, as a join link's server sends it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetupCode`], which never repeats the code.
    pub fn from_json(json: &[u8], now: Timestamp) -> Result<Self, InvalidSetupCode> {
        if json.len() > MOST_SETUP_CODE_BYTES {
            return Err(InvalidSetupCode::TooLong);
        }
        let content: Content =
            serde_json::from_slice(json).map_err(|_| InvalidSetupCode::Content)?;
        if content.bootstrap_token.is_empty() {
            return Err(InvalidSetupCode::Content);
        }
        let expires_at =
            content.expires_at_ms.map(|ms| Timestamp::from_micros(ms.saturating_mul(1000)));
        if expires_at.is_some_and(|at| at.as_micros() <= now.as_micros()) {
            return Err(InvalidSetupCode::Expired);
        }
        let fingerprint = content.tls_fingerprint.map(|text| text.parse::<Fingerprint>());
        let fingerprint = fingerprint.transpose().map_err(|_| InvalidSetupCode::Fingerprint)?;
        let url = content.url;
        let urls = content.urls.unwrap_or_else(|| vec![url.clone()]);
        if !(1..=MOST_CANDIDATES).contains(&urls.len()) {
            return Err(InvalidSetupCode::Url);
        }
        if !is_gateway(&url) || !urls.iter().all(|url| is_gateway(url)) {
            return Err(InvalidSetupCode::Url);
        }
        if fingerprint.is_some() && !url.starts_with("wss://") {
            return Err(InvalidSetupCode::Fingerprint);
        }
        let candidates = urls.into_iter().map(|candidate| {
            let fingerprint = fingerprint.filter(|_| candidate == url);
            Candidate { url: candidate, fingerprint }
        });
        Ok(Self {
            candidates: candidates.collect(),
            bootstrap_token: Secret::new(content.bootstrap_token),
            expires_at,
        })
    }
}

/// A link to a setup code: `https://host/j/` and 22 characters. What is there is a setup code's JSON, for
/// [`SetupCode::from_json`]; no redirects are followed, and 404 means that it is unknown or used up. The gateway gives the code away
/// once, to whoever asks first.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinLink(String);

impl JoinLink {
    /// The link, if the text is one. Without TLS (`http://`) only this machine is taken.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let code = path.strip_prefix("j/")?;
        let in_code = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => is_loopback(host),
            _ => false,
        };
        let good = secure && is_authority(host) && code.len() == 22 && code.bytes().all(in_code);
        good.then(|| Self(text.to_owned()))
    }

    /// The URL to fetch. It is as good as the code itself, so it is a secret.
    pub fn url(&self) -> &str {
        &self.0
    }

    /// The URL of the gateway that serves the link: `wss://` for `https://`, and `ws://` for `http://`. The code there may name other
    /// places.
    pub fn gateway_url(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        let scheme = if scheme.eq_ignore_ascii_case("https") { "wss" } else { "ws" };
        format!("{scheme}://{authority}")
    }
}

impl std::fmt::Debug for JoinLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinLink(..)")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    url: String,
    bootstrap_token: String,
    urls: Option<Vec<String>>,
    expires_at_ms: Option<i64>,
    tls_fingerprint: Option<String>,
}

/// `ws[s]://host[:port][/path]`.
fn is_gateway(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://")) else {
        return false;
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    is_authority(authority)
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
}

/// A name or address, and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(in_name),
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_loopback(authority: &str) -> bool {
    let (host, _) = split_port(authority);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

const SCHEME: &str = "oc-pair://";

const MOST_CANDIDATES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_347_600_000_000);

    fn code(json: &str) -> String {
        BASE64URL_NOPAD.encode(json.as_bytes())
    }

    fn parse(json: &str) -> Result<SetupCode, InvalidSetupCode> {
        SetupCode::parse(&code(json), NOW)
    }

    fn urls(code: &SetupCode) -> Vec<&str> {
        code.candidates.iter().map(|candidate| candidate.url.as_str()).collect()
    }

    #[test]
    fn a_code_comes_with_or_without_its_scheme_and_with_blanks_around() {
        let plain = code(r#"{"url":"ws://127.0.0.1:18850","bootstrapToken":"t","more":1}"#);
        for text in [
            plain.clone(),
            format!("oc-pair://{plain}"),
            format!(" OC-PAIR://{plain}\n"),
            format!("oc-pair:// {plain}"),
        ] {
            let code = SetupCode::parse(&text, NOW).unwrap();
            assert_eq!(urls(&code), ["ws://127.0.0.1:18850"]);
            assert_eq!(code.bootstrap_token, Secret::new("t"));
            assert!(!format!("{code:?}").contains("\"t\""), "{code:?}");
        }
    }

    #[test]
    fn a_list_of_places_replaces_the_one_and_the_pin_is_for_the_one() {
        let pin = Fingerprint::of(b"x");
        let code = parse(&format!(
            r#"{{"url":"wss://a.test","urls":["ws://10.0.0.1:1","wss://a.test"],"bootstrapToken":"t","tlsFingerprint":"{pin}"}}"#
        ))
        .unwrap();
        assert_eq!(urls(&code), ["ws://10.0.0.1:1", "wss://a.test"]);
        let pins: Vec<_> = code.candidates.iter().map(|candidate| candidate.fingerprint).collect();
        assert_eq!(pins, [None, Some(pin)]);
    }

    #[test]
    fn a_code_that_is_over_is_not_used() {
        let until = |ms: i64| {
            parse(&format!(r#"{{"url":"ws://a","bootstrapToken":"t","expiresAtMs":{ms}}}"#))
        };
        assert_eq!(until(1_795_347_600_000), Err(InvalidSetupCode::Expired));
        let code = until(1_795_347_600_001).unwrap();
        assert_eq!(code.expires_at, Some(Timestamp::from_micros(1_795_347_600_001_000)));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_code() {
        for (json, problem) in [
            ("[]", InvalidSetupCode::Content),
            (r#"{"url":"ws://a"}"#, InvalidSetupCode::Content),
            (r#"{"url":"ws://a","bootstrapToken":""}"#, InvalidSetupCode::Content),
            (r#"{"url":"http://a","bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (r#"{"url":"ws://u@a","bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (r#"{"url":"ws://a:0","bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (r#"{"url":"ws://a/?q","bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (r#"{"url":"ws://a","urls":[],"bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (r#"{"url":"ws://a","urls":["x"],"bootstrapToken":"t"}"#, InvalidSetupCode::Url),
            (
                r#"{"url":"wss://a","bootstrapToken":"t","tlsFingerprint":"x"}"#,
                InvalidSetupCode::Fingerprint,
            ),
        ] {
            assert_eq!(parse(json), Err(problem), "{json}");
        }
        assert_eq!(SetupCode::parse("a b", NOW), Err(InvalidSetupCode::Characters));
        assert_eq!(SetupCode::parse("", NOW), Err(InvalidSetupCode::Content));
    }

    #[test]
    fn eight_places_and_24_kib_are_the_most() {
        let with = |count: usize| {
            let urls = vec![r#""ws://a""#; count].join(",");
            parse(&format!(r#"{{"url":"ws://a","urls":[{urls}],"bootstrapToken":"t"}}"#))
        };
        assert_eq!(with(8).unwrap().candidates.len(), 8);
        assert_eq!(with(9), Err(InvalidSetupCode::Url));
        let sized = |size: usize| {
            let empty = r#"{"url":"ws://a","bootstrapToken":""}"#.len();
            let token = "t".repeat(size - empty);
            SetupCode::from_json(
                format!(r#"{{"url":"ws://a","bootstrapToken":"{token}"}}"#).as_bytes(),
                NOW,
            )
        };
        assert!(sized(MOST_SETUP_CODE_BYTES).is_ok());
        assert_eq!(sized(MOST_SETUP_CODE_BYTES + 1), Err(InvalidSetupCode::TooLong));
    }

    #[test]
    fn join_links_are_https_or_of_this_machine() {
        let code = "abcdefghijklmnopqrst-_";
        for good in
            ["https://gateway.test", "http://127.0.0.1:18850", "http://localhost", "http://[::1]:1"]
        {
            let link = JoinLink::parse(&format!("{good}/j/{code}")).expect(good);
            assert!(link.url().ends_with(code));
            assert_eq!(format!("{link:?}"), "JoinLink(..)");
            assert_eq!(link.gateway_url(), good.replace("http", "ws"));
        }
        for bad in ["http://gateway.test", "ftp://localhost", "https://", "https://u@a"] {
            assert_eq!(JoinLink::parse(&format!("{bad}/j/{code}")), None, "{bad}");
        }
        assert_eq!(JoinLink::parse(&format!("https://a/j/{code}x")), None);
        assert_eq!(JoinLink::parse(&format!("https://a/j/{}", &code[1..])), None);
        assert_eq!(JoinLink::parse(&format!("https://a/k/{code}")), None);
    }
}
