//! Basic authentication, and masking of its secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};

/// Shorter secrets are not masked: they would match in any text.
const SHORTEST_MASKED: usize = 4;

/// User and password of basic authentication (RFC 7617).
#[derive(Debug)]
pub struct Credentials {
    user: SecretString,
    password: SecretString,
    /// Both as in the header.
    encoded: SecretString,
}

impl Credentials {
    /// Combines user and password; either may be empty.
    pub fn new(user: SecretString, password: SecretString) -> Self {
        let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
        Self {
            user,
            password,
            encoded: STANDARD.encode(pair).into(),
        }
    }

    /// Adds the credentials to a request.
    pub(crate) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(
            self.user.expose_secret(),
            Some(self.password.expose_secret()),
        )
    }

    /// Masks every occurrence of a secret in a text.
    pub(crate) fn mask(&self, text: &str) -> String {
        [&self.encoded, &self.user, &self.password]
            .into_iter()
            .map(ExposeSecret::expose_secret)
            .filter(|secret| secret.len() >= SHORTEST_MASKED)
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret, "[masked]")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_texts_and_in_debug() {
        let credentials = Credentials::new("key-of-mine".into(), "hush-hush".into());
        let header = STANDARD.encode("key-of-mine:hush-hush");
        let text = format!("bad key-of-mine, hush-hush or {header}");
        let masked = "bad [masked], [masked] or [masked]";
        assert_eq!(credentials.mask(&text), masked);
        let debug = format!("{credentials:?}");
        assert!(!debug.contains("mine") && !debug.contains("hush") && !debug.contains(&header));
    }

    #[test]
    fn an_empty_password_masks_nothing() {
        let credentials = Credentials::new("private_key".into(), "".into());
        assert_eq!(credentials.mask("all is well"), "all is well");
    }
}
