//! The fingerprint of a certificate.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The SHA-256 of a certificate in DER form: names the one certificate that a gateway may show (openclaw page 1.1).
///
/// It is read from 64 hex digits, or 32 pairs of them with colons between, in either case, and perhaps with `sha256:` in front.
///
/// ```
/// use clawnode_protocol::dialect::openclaw::Fingerprint;
///
/// let fingerprint = Fingerprint::of(b"not really a certificate");
/// assert_eq!(fingerprint.to_string().len(), 64);
/// assert_eq!(format!("SHA256:{fingerprint}").parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a fingerprint is 64 hex digits, or 32 pairs of them with colons between, such as sha256:9f:86:...; \
     clawnode doctor shows that of a gateway"
)]
pub struct InvalidFingerprint;

impl Fingerprint {
    /// That of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Whether this certificate, in DER form, is the one.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        *self == Self::of(certificate)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let prefixed = text.get(..7).filter(|prefix| prefix.eq_ignore_ascii_case("sha256:"));
        let digits = prefixed.map_or(text, |prefix| &text[prefix.len()..]);
        let hex = match digits.len() {
            64 => digits.to_owned(),
            95 if digits.split(':').all(|pair| pair.len() == 2) => digits.replace(':', ""),
            _ => return Err(InvalidFingerprint),
        };
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| InvalidFingerprint)?;
        bytes.try_into().map(Self).map_err(|_| InvalidFingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_mean_the_same() {
        let expected = Fingerprint::of(b"x");
        let lower = expected.to_string();
        let pairs: Vec<&str> = (0..32).map(|index| &lower[index * 2..index * 2 + 2]).collect();
        let colons = pairs.join(":");
        for text in [
            lower.clone(),
            lower.to_uppercase(),
            colons.clone(),
            colons.to_uppercase(),
            format!("sha256:{lower}"),
            format!("SHA256:{colons}"),
            format!(" {lower}\n"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert!(expected.matches(b"x") && !expected.matches(b"y"));
    }

    #[test]
    fn nothing_else_is_one() {
        let good = Fingerprint::of(b"x").to_string();
        for text in [
            "",
            "sha256:",
            &good[1..],
            &format!("{good}0"),
            &good.replace('a', "g"),
            &format!("md5:{good}"),
            &"a:bc".repeat(24)[..95],
            &"é".repeat(32),
            &"é".repeat(4),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(InvalidFingerprint), "{text}");
        }
    }
}
