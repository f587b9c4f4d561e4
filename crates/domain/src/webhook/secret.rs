//! What messages are signed with.

use std::{array, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{DeliveryId, SecretError, secret};

/// The secret of a webhook: 256 random bits. It signs, so it is kept as it is; it is never shown after the webhook was
/// registered.
#[derive(Clone)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// A new secret.
    pub fn random() -> Result<Self, SecretError> {
        secret::random_bytes().map(Self)
    }

    /// The secret with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store alone.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret as its owner configures it in the receiver: `whsec_` and base64. It must only be sent to the caller
    /// that registered the webhook.
    pub fn expose(&self) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(self.0))
    }

    /// The value of the header `webhook-signature` for a message: version and HMAC-SHA256 over id, time in seconds
    /// since 1970 and body.
    pub fn sign(&self, id: &DeliveryId, timestamp: i64, body: &str) -> String {
        let signed = format!("{}.{timestamp}.{body}", id.message_id());
        // The key of HMAC is filled up with zeros to the block of its hash.
        let key: [u8; 64] = array::from_fn(|n| self.0.get(n).copied().unwrap_or_default());
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(signed.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("v1,{}", BASE64_STANDARD.encode(digest))
    }
}

/// Redacted.
impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature that Python's `hmac` gives for the same key and text.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secret = WebhookSecret::from_bytes([7; 32]);
        let id = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777".parse().unwrap();
        let signature = secret.sign(&id, 1_674_087_231, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,WKiy3/TFZkqsS3er435yx6EOruz1KsIRji6UTMXmqV4=");
    }

    #[test]
    fn secrets_differ_and_are_shown_on_request_alone() {
        let secret = WebhookSecret::random().unwrap();
        let shown = secret.expose();
        assert_eq!(shown.len(), "whsec_".len() + 44);
        assert_ne!(shown, WebhookSecret::random().unwrap().expose());
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        assert_eq!(
            WebhookSecret::from_bytes(*secret.as_bytes()).expose(),
            shown
        );
    }
}
