//! Authentication, and the management of keys.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    KeyName, KeySecret, Scope, Scopes, SecretDigest, Session,
    ports::{KeyStore as _, MockKeyStore, MockSessionStore, SessionStore as _},
    service::{Access, AccessPorts, AdminKey, Caller, KeyError, KeyHolder, KeyRequest, Keys},
};
use domain_testing::{FakeDatabase, TestClock, at};

const ADMIN_KEY: &str = "an-admin-key-of-32-characters-!?";

/// The services on a database in memory.
struct Fixture {
    store: Arc<FakeDatabase>,
    clock: Arc<TestClock>,
    access: Access,
    keys: Keys,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Some(ADMIN_KEY))
    }

    fn with(admin_key: Option<&str>) -> Self {
        let (store, clock) = (
            Arc::new(FakeDatabase::default()),
            Arc::new(TestClock::default()),
        );
        let admin = admin_key.map(|key| AdminKey::parse(key).unwrap());
        Self {
            access: access(&store, &clock, admin),
            keys: Keys::new(store.clone(), clock.clone()),
            store,
            clock,
        }
    }

    async fn create(&self, scope: Scope) -> String {
        let (_, secret) = self.keys.create(request(scope)).await.unwrap();
        secret.expose().to_owned()
    }

    async fn log_in(&self, key: &str) -> String {
        let token = self.access.begin_session(key).await.unwrap();
        token.unwrap().expose().to_owned()
    }
}

fn access(store: &Arc<FakeDatabase>, clock: &Arc<TestClock>, admin: Option<AdminKey>) -> Access {
    let ports = AccessPorts {
        keys: store.clone(),
        sessions: store.clone(),
        clock: clock.clone(),
    };
    Access::new(ports, admin)
}

fn request(scope: Scope) -> KeyRequest {
    KeyRequest {
        name: KeyName::parse("a").unwrap(),
        scopes: Scopes::new([scope]).unwrap(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_key_authenticates_its_holder() {
    let fixture = Fixture::new();
    let secret = fixture.create(Scope::Upload).await;
    let caller = fixture.access.by_key(&secret).await.unwrap().unwrap();
    let id = fixture.keys.list().await.unwrap()[0].id;
    assert_eq!(caller.holder, KeyHolder::Key(id));
    assert!(caller.may(Scope::Upload) && !caller.may(Scope::Read));
    let admin = fixture.access.by_key(ADMIN_KEY).await.unwrap();
    let expected = Caller {
        holder: KeyHolder::Admin,
        scopes: Scopes::admin(),
    };
    assert_eq!(admin, Some(expected));
}

#[tokio::test]
async fn other_texts_authenticate_no_caller() {
    let fixture = Fixture::new();
    let secret = fixture.create(Scope::Admin).await;
    let unknown = KeySecret::random().unwrap();
    for text in [
        "",
        "etq_",
        &secret[1..],
        unknown.expose(),
        &ADMIN_KEY[1..],
        "an admin",
    ] {
        assert_eq!(fixture.access.by_key(text).await.unwrap(), None, "{text}");
        assert!(fixture.access.begin_session(text).await.unwrap().is_none());
    }
    let without = Fixture::with(None);
    assert_eq!(without.access.by_key(ADMIN_KEY).await.unwrap(), None);
}

/// What cannot be a key or a token costs no call to the database.
#[tokio::test]
async fn malformed_texts_are_not_looked_up() {
    let ports = AccessPorts {
        keys: Arc::new(MockKeyStore::new()),
        sessions: Arc::new(MockSessionStore::new()),
        clock: Arc::new(TestClock::default()),
    };
    let access = Access::new(ports, None);
    let long = "x".repeat(1 << 20);
    for text in ["", "etq_x", ADMIN_KEY, &long, &format!("etq_{long}")] {
        assert_eq!(access.by_key(text).await.unwrap(), None);
        assert_eq!(access.by_session(text).await.unwrap(), None);
        access.end_session(text).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_is_valid_until_it_expires() {
    let fixture = Fixture::new();
    let expiring = KeyRequest {
        expires_at: Some(at(60)),
        ..request(Scope::Read)
    };
    let (_, secret) = fixture.keys.create(expiring.clone()).await.unwrap();
    let session = fixture.log_in(secret.expose()).await;
    for (after, is_valid) in [(59, true), (1, false)] {
        fixture.clock.advance(TimeDelta::seconds(after));
        let by_key = fixture.access.by_key(secret.expose()).await.unwrap();
        assert_eq!(by_key.is_some(), is_valid);
        let by_session = fixture.access.by_session(&session).await.unwrap();
        assert_eq!(by_session.is_some(), is_valid);
    }
    let late = fixture.keys.create(expiring).await;
    assert!(matches!(late, Err(KeyError::Expired)), "{late:?}");
}

#[tokio::test]
async fn a_session_ends_with_the_admin_key_that_began_it() {
    let fixture = Fixture::new();
    let session = fixture.log_in(ADMIN_KEY).await;
    assert!(fixture.access.by_session(&session).await.unwrap().is_some());
    let other = AdminKey::parse(&"x".repeat(32)).unwrap();
    let changed = access(&fixture.store, &fixture.clock, Some(other));
    assert_eq!(changed.by_session(&session).await.unwrap(), None);
}

#[tokio::test]
async fn ten_thousand_sessions_are_kept() {
    let fixture = Fixture::new();
    let secret = fixture.create(Scope::Read).await;
    for number in 0..10_000_i64 {
        let session = Session {
            token: SecretDigest::of(&number.to_string()),
            key: SecretDigest::of(&secret),
            created_at: at(-1),
            expires_at: at(3600),
        };
        fixture.store.add_session(&session, 10_000).await.unwrap();
    }
    let session = fixture.log_in(&secret).await;
    assert_eq!(fixture.store.sessions().len(), 10_000);
    assert!(fixture.access.by_session(&session).await.unwrap().is_some());
}

#[tokio::test]
async fn the_use_of_a_key_is_due_once_a_minute() {
    let fixture = Fixture::new();
    let secret = fixture.create(Scope::Read).await;
    let caller = fixture.access.by_key(&secret).await.unwrap().unwrap();
    for (after, is_due) in [(0, true), (0, false), (59, false), (1, true), (1, false)] {
        fixture.clock.advance(TimeDelta::seconds(after));
        assert_eq!(fixture.access.due(&caller).is_some(), is_due);
    }
    let admin = fixture.access.by_key(ADMIN_KEY).await.unwrap().unwrap();
    assert_eq!(fixture.access.due(&admin), None);
    let id = fixture.keys.list().await.unwrap()[0].id;
    fixture.access.note_use(&id).await.unwrap();
    let keys = fixture.store.keys().await.unwrap();
    assert_eq!(keys[0].last_used_at, Some(at(61)));
}

#[tokio::test]
async fn there_are_a_thousand_keys_at_most() {
    let fixture = Fixture::new();
    for _ in 0..1_000 {
        fixture.create(Scope::Read).await;
    }
    let more = fixture.keys.create(request(Scope::Read)).await;
    assert!(matches!(more, Err(KeyError::TooMany)), "{more:?}");
    let first = fixture.keys.list().await.unwrap()[0].id;
    assert!(fixture.keys.revoke(&first).await.unwrap());
    fixture.create(Scope::Read).await;
}
