//! (placeholder, to be overwritten)
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
/// x
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);
impl Fingerprint {
    /// x
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
    /// x
    pub fn matches(&self, der: &[u8]) -> bool {
        *self == Self::of(der)
    }
}
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}
impl FromStr for Fingerprint {
    type Err = std::fmt::Error;
    fn from_str(_s: &str) -> Result<Self, Self::Err> {
        Err(std::fmt::Error)
    }
}
