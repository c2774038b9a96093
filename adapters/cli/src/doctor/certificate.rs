//! What a gateway's certificate says of itself.

use std::fmt;

use clawnode_tokio::openclaw::Fingerprint;
use clawnode_tokio::wall_clock;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The facts that people compare.
pub(super) struct Certificate {
    pub(super) fingerprint: Fingerprint,
    pub(super) names: Vec<String>,
    pub(super) issuer: String,
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
}

impl Certificate {
    /// `None` if it cannot be read.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|names| &names.value.general_names);
        let validity = certificate.validity();
        Some(Self {
            fingerprint: Fingerprint::of(der),
            names: names.filter_map(name).take(MOST_NAMES).collect(),
            issuer: certificate.issuer().to_string(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    pub(super) fn days_left(&self) -> i64 {
        (self.not_after - now()).div_euclid(DAY)
    }

    pub(super) fn begins(&self) -> String {
        date(self.not_before)
    }

    pub(super) fn ends(&self) -> String {
        let days = self.days_left();
        match days {
            0.. => format!("{} ({days} days left)", date(self.not_after)),
            _ => format!("{} ({} days ago)", date(self.not_after), (now() - self.not_after) / DAY),
        }
    }

    pub(super) fn names(&self) -> String {
        if self.names.is_empty() { "no name".to_owned() } else { self.names.join(", ") }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.days_left() < 0 { "expired on" } else { "good until" };
        let (names, issuer, ends) = (self.names(), &self.issuer, self.ends());
        write!(
            f,
            "for {names}, from {issuer}, {verb} {ends}, fingerprint sha256:{}",
            self.fingerprint
        )
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => {
                let bytes: [u8; 16] = bytes.try_into().ok()?;
                Some(std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    }
}

fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(
        |_| "a time beyond all calendars".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

fn now() -> i64 {
    wall_clock().as_micros() / 1_000_000
}

/// Certificates may have hundreds of names; so many are enough to see whose it is.
const MOST_NAMES: usize = 8;

const DAY: i64 = 24 * 60 * 60;
