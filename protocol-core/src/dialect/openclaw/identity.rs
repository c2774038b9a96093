//! Who a device is, and how it proves it.

use std::fmt;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// A device: an Ed25519 key pair, made once and kept for ever (openclaw page 4).
///
/// The same seed is the same device. Whoever has the seed is the device, so keep it where only its owner can read it. Debug output
/// shows the device's id, never the key.
pub struct Identity {
    key: SigningKey,
    device_id: String,
    public_key: String,
}

impl Identity {
    /// The device of this seed, which comes from outside: 32 bytes of the operating system's randomness.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key().to_bytes();
        let public_key = BASE64URL_NOPAD.encode(&public);
        Self { key, device_id: device_id(&public), public_key }
    }

    /// The device's id, which is the node's id everywhere on the wire: the SHA-256 of the public key in lower-case hex, 64
    /// characters.
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// The public key: base64url without padding, 43 characters.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The Ed25519 signature (RFC 8032) of a text, such as that of [`Action::Sign`](crate::node::Action::Sign): base64url without
    /// padding, 86 characters.
    pub fn sign(&self, text: &str) -> String {
        BASE64URL_NOPAD.encode(&self.key.sign(text.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

/// What a device signs (openclaw page 4.2). A node does it by itself; this is for those who play the gateway.
#[derive(Clone, Copy)]
pub struct DevicePayload<'a> {
    /// [`Identity::device_id`].
    pub device_id: &'a str,
    /// `client.id` of the `connect` request.
    pub client_id: &'a str,
    /// `client.mode`.
    pub client_mode: &'a str,
    /// `role`.
    pub role: &'a str,
    /// `scopes`, in the order sent.
    pub scopes: &'a [String],
    /// `device.signedAt`: the challenge's time in milliseconds.
    pub signed_at_ms: u64,
    /// The first of token, device token and bootstrap token that is shown; empty if none is.
    pub token: &'a str,
    /// The challenge's nonce.
    pub nonce: &'a str,
    /// `client.platform` as it is sent.
    pub platform: &'a str,
    /// `client.deviceFamily` as it is sent; empty if it is not.
    pub device_family: &'a str,
}

/// The token is not shown.
impl fmt::Debug for DevicePayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevicePayload")
            .field("device_id", &self.device_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl DevicePayload<'_> {
    /// The text that is signed. It holds the credential.
    pub fn v3(&self) -> String {
        let platform = self.platform.trim().to_ascii_lowercase();
        let family = self.device_family.trim().to_ascii_lowercase();
        format!("v3{}|{platform}|{family}", self.common())
    }

    /// The older form, which gateways take as well.
    pub fn v2(&self) -> String {
        format!("v2{}", self.common())
    }

    fn common(&self) -> String {
        let Self { device_id, client_id, client_mode, role, signed_at_ms, token, nonce, .. } = self;
        let scopes = self.scopes.join(",");
        format!(
            "|{device_id}|{client_id}|{client_mode}|{role}|{scopes}|{signed_at_ms}|{token}|{nonce}"
        )
    }
}

/// Whether the holder of this public key, in base64url or base64, signed this text (RFC 8032). For those who play the gateway.
pub fn verify(public_key: &str, text: &str, signature: &str) -> bool {
    let verified = || {
        let key = VerifyingKey::from_bytes(&raw_key(public_key)?).ok()?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let signature = Signature::from_slice(&signature).ok()?;
        key.verify_strict(text.as_bytes(), &signature).ok()
    };
    verified().is_some()
}

/// The id of the device with this public key, in base64url or base64. For those who play the gateway.
pub fn device_id_of(public_key: &str) -> Option<String> {
    raw_key(public_key).map(|key| device_id(&key))
}

fn raw_key(public_key: &str) -> Option<[u8; 32]> {
    let text = public_key.as_bytes();
    let bytes = BASE64URL_NOPAD.decode(text).or_else(|_| BASE64.decode(text)).ok()?;
    bytes.try_into().ok()
}

fn device_id(public_key: &[u8; 32]) -> String {
    HEXLOWER.encode(&Sha256::digest(public_key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity() -> Identity {
        Identity::from_seed(std::array::from_fn(|index| u8::try_from(index).unwrap()))
    }

    fn node_payload<'a>(device_id: &'a str, token: &'a str) -> DevicePayload<'a> {
        DevicePayload {
            device_id,
            client_id: "node-host",
            client_mode: "node",
            role: "node",
            scopes: &[],
            signed_at_ms: 1_795_347_600_000,
            token,
            nonce: "7f4df7a2-5b0e-4a86-9a0c-1d2e3f405162",
            platform: "linux",
            device_family: "Linux",
        }
    }

    const ID: &str = "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c";

    #[test]
    fn a_seed_is_a_device() {
        assert_eq!(identity().device_id(), ID);
        assert_eq!(identity().public_key(), "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg");
        assert_eq!(format!("{:?}", identity()), format!("Identity {{ device_id: \"{ID}\", .. }}"));
        assert_eq!(device_id_of(identity().public_key()).as_deref(), Some(ID));
        let padded = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        assert_eq!(device_id_of(padded).as_deref(), Some(ID));
        assert_eq!(device_id_of("short"), None);
    }

    #[test]
    fn a_node_with_a_token_signs_as_the_protocol_has_it() {
        let payload = node_payload(ID, "testtoken123").v3();
        assert_eq!(
            payload,
            format!(
                "v3|{ID}|node-host|node|node||1795347600000|testtoken123|7f4df7a2-5b0e-4a86-9a0c-1d2e3f405162|linux|linux"
            )
        );
        assert_eq!(
            identity().sign(&payload),
            "s5Ok4O-dTFxtZsQCOJWJlxezDIzgeojzt7y9yHIFZVF8XWz-hVWHiZPuZ4Sk5FOt7UR2NfzdafelpXjNS0obAQ"
        );
    }

    #[test]
    fn a_node_without_a_token_signs_an_empty_one() {
        assert_eq!(
            identity().sign(&node_payload(ID, "").v3()),
            "sq63iWzJkRlGDkI-aGI_d0f8fiAU_F296bCHaf6tL296as8BTmQ6PSKdgv7FKZbuPrSMLkV-Fe0pZOYl54_sAg"
        );
    }

    #[test]
    fn the_older_form_ends_with_the_nonce() {
        let payload = node_payload(ID, "testtoken123").v2();
        assert!(payload.starts_with("v2|") && payload.ends_with("5162"), "{payload}");
        assert_eq!(
            identity().sign(&payload),
            "C1wovqFEdbdflBd42drSiQNwN9XicZAzr150XlUuoCnsj2JwaIBdHTVKQj5XA1ub1CLTgCHhstHPBeSruwmmAw"
        );
    }

    #[test]
    fn an_operator_signs_its_scopes_and_a_trimmed_platform() {
        let scopes = ["operator.read".to_owned(), "operator.write".to_owned()];
        let payload = DevicePayload {
            client_id: "gateway-client",
            client_mode: "backend",
            role: "operator",
            scopes: &scopes,
            platform: " Linux ",
            device_family: "",
            ..node_payload(ID, "testtoken123")
        };
        assert!(payload.v3().ends_with("|linux|"), "{}", payload.v3());
        assert_eq!(
            identity().sign(&payload.v3()),
            "fU5HP63V2oKGOOE30bOawkHyQLbPOWAslPAgBb0dfNaDm3oFfsI54SXPFKabbkBtK7qKmvGyVsMo40vC5PdoBA"
        );
    }

    proptest! {
        #[test]
        fn a_signature_is_good_for_its_text_and_key_alone(
            seed: [u8; 32], text: String, bit in 0_usize..512, other in 1_u8..,
        ) {
            let identity = Identity::from_seed(seed);
            let signature = identity.sign(&text);
            prop_assert!(verify(identity.public_key(), &text, &signature));
            let longer = format!("{text}x");
            prop_assert!(!verify(identity.public_key(), &longer, &signature));
            let mut stranger = seed;
            stranger[0] ^= other;
            let stranger = Identity::from_seed(stranger);
            prop_assert!(!verify(stranger.public_key(), &text, &signature));
            let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = BASE64URL_NOPAD.encode(&bytes);
            prop_assert!(!verify(identity.public_key(), &text, &forged));
        }

        #[test]
        fn anything_may_claim_to_be_a_key_and_a_signature(key: String, signature: String) {
            prop_assert!(!verify(&key, "text", &signature));
        }
    }
}
