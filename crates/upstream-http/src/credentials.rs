//! Credentials of calls, and masking of their secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};

/// Shorter secrets are not masked: they would match in any text.
const SHORTEST_MASKED: usize = 4;

/// What calls are signed with.
#[derive(Debug)]
pub struct Credentials {
    scheme: Scheme,
    /// What no text may show.
    secrets: Vec<SecretString>,
}

#[derive(Debug)]
enum Scheme {
    None,
    Basic {
        user: SecretString,
        password: SecretString,
    },
    Bearer(SecretString),
}

impl Credentials {
    /// User and password of basic authentication (RFC 7617); either may be empty.
    pub fn new(user: SecretString, password: SecretString) -> Self {
        let pair = format!("{}:{}", user.expose_secret(), password.expose_secret());
        let encoded = STANDARD.encode(pair).into();
        Self {
            secrets: vec![encoded, user.clone(), password.clone()],
            scheme: Scheme::Basic { user, password },
        }
    }

    /// A bearer token (RFC 6750).
    pub fn bearer(token: SecretString) -> Self {
        Self {
            secrets: vec![token.clone()],
            scheme: Scheme::Bearer(token),
        }
    }

    /// For a service that takes everybody's calls.
    pub fn none() -> Self {
        Self {
            secrets: Vec::new(),
            scheme: Scheme::None,
        }
    }

    /// Adds the credentials to a request.
    pub(crate) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.scheme {
            Scheme::None => request,
            Scheme::Basic { user, password } => {
                request.basic_auth(user.expose_secret(), Some(password.expose_secret()))
            }
            Scheme::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }

    /// Masks every occurrence of a secret in a text.
    pub(crate) fn mask(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret);
        secrets
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

    #[test]
    fn calls_are_signed_by_either_scheme_or_not_at_all() {
        let header = |credentials: &Credentials| {
            let request = reqwest::Client::new().get("http://localhost");
            let request = credentials.sign(request).build().unwrap();
            let header = request.headers().get("authorization");
            header.map(|value| value.to_str().unwrap().to_owned())
        };
        let token = Credentials::bearer("token-of-mine".into());
        assert_eq!(header(&token).as_deref(), Some("Bearer token-of-mine"));
        assert_eq!(token.mask("no token-of-mine"), "no [masked]");
        assert_eq!(header(&Credentials::none()), None);
        let basic = Credentials::new("me".into(), "".into());
        assert_eq!(header(&basic).as_deref(), Some("Basic bWU6"));
    }
}
