//! Keys and sessions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use domain::{
    ApiKey, KeyId, SecretDigest, Session,
    ports::{ImageStoreError, KeyStore, SessionStore},
};

use super::FakeDatabase;

impl FakeDatabase {
    /// Every session, oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        self.state().sessions.clone()
    }
}

#[async_trait]
impl KeyStore for FakeDatabase {
    async fn add_key(&self, key: &ApiKey, at_most: u32) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        if state.keys.len() >= at_most as usize {
            return Ok(false);
        }
        state.keys.push(key.clone());
        state.keys.sort_by_key(|key| (key.created_at, key.id));
        Ok(true)
    }

    async fn keys(&self) -> Result<Vec<ApiKey>, ImageStoreError> {
        Ok(self.call().await.keys.clone())
    }

    async fn key_of(&self, digest: &SecretDigest) -> Result<Option<ApiKey>, ImageStoreError> {
        let state = self.call().await;
        let mut keys = state.keys.iter();
        Ok(keys.find(|key| key.digest == *digest).cloned())
    }

    async fn remove_key(&self, id: &KeyId) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let Some(position) = state.keys.iter().position(|key| key.id == *id) else {
            return Ok(false);
        };
        let removed = state.keys.remove(position);
        state
            .sessions
            .retain(|session| session.key != removed.digest);
        Ok(true)
    }

    async fn note_key_use(&self, id: &KeyId, at: DateTime<Utc>) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        if let Some(key) = state.keys.iter_mut().find(|key| key.id == *id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for FakeDatabase {
    async fn add_session(&self, session: &Session, at_most: u32) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        let now = session.created_at;
        state.sessions.retain(|known| !known.is_expired(now));
        let excess = (state.sessions.len() + 1).saturating_sub(at_most as usize);
        state.sessions.drain(..excess);
        state.sessions.push(session.clone());
        state.sessions.sort_by_key(|session| session.created_at);
        Ok(())
    }

    async fn session_of(&self, token: &SecretDigest) -> Result<Option<Session>, ImageStoreError> {
        let state = self.call().await;
        let mut sessions = state.sessions.iter();
        Ok(sessions.find(|session| session.token == *token).cloned())
    }

    async fn remove_session(&self, token: &SecretDigest) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let before = state.sessions.len();
        state.sessions.retain(|session| session.token != *token);
        Ok(state.sessions.len() < before)
    }
}
