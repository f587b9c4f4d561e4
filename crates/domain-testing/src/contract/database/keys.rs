//! API keys.

use chrono::TimeDelta;

use super::MICROSECOND;
use crate::{api_key, at};
use domain::{ApiKey, KeyId, KeyName, Scope, Scopes, SecretDigest, Session, ports::Database};

chapter!(
    a_key_comes_back_as_it_was,
    keys_are_listed_oldest_first,
    a_key_is_found_by_its_digest_alone,
    an_expired_key_is_kept,
    there_are_at_most_so_many_keys,
    a_removed_key_is_gone_with_its_sessions,
    the_latest_use_of_a_key_stays,
);

async fn add(store: &dyn Database, key: &ApiKey) {
    assert!(store.add_key(key, 1000).await.unwrap());
}

/// Names as long as they get, every scope, times to the microsecond.
async fn a_key_comes_back_as_it_was(store: &dyn Database) {
    let mut keys = vec![
        ApiKey {
            name: KeyName::parse(&"😀".repeat(KeyName::LONGEST)).unwrap(),
            scopes: Scopes::new(Scope::ALL).unwrap(),
            expires_at: Some(at(9) + MICROSECOND),
            ..api_key("a", Scope::Read, at(0) + MICROSECOND)
        },
        api_key("O'Brien\\ \"%_", Scope::Admin, at(1)),
    ];
    for key in &keys {
        add(store, key).await;
        assert_eq!(store.key_of(&key.digest).await.unwrap().as_ref(), Some(key));
    }
    assert_eq!(store.keys().await.unwrap(), keys);
    keys[0].last_used_at = Some(at(5) + MICROSECOND);
    store
        .note_key_use(&keys[0].id, at(5) + MICROSECOND)
        .await
        .unwrap();
    assert_eq!(store.keys().await.unwrap(), keys);
}

async fn keys_are_listed_oldest_first(store: &dyn Database) {
    assert_eq!(store.keys().await.unwrap(), []);
    let mut keys: Vec<ApiKey> = [3, 1, 2, 2, 0]
        .into_iter()
        .map(|second| api_key("a", Scope::Read, at(second)))
        .collect();
    for key in &keys {
        add(store, key).await;
    }
    keys.sort_by_key(|key| (key.created_at, key.id));
    assert_eq!(store.keys().await.unwrap(), keys);
}

async fn a_key_is_found_by_its_digest_alone(store: &dyn Database) {
    let key = api_key("a", Scope::Read, at(0));
    add(store, &key).await;
    add(store, &api_key("b", Scope::Write, at(0))).await;
    assert_eq!(store.key_of(&key.digest).await.unwrap(), Some(key.clone()));
    let mut other = *key.digest.as_bytes();
    other[31] ^= 1;
    let other = SecretDigest::from_bytes(other);
    assert_eq!(store.key_of(&other).await.unwrap(), None);
}

async fn an_expired_key_is_kept(store: &dyn Database) {
    let key = ApiKey {
        expires_at: Some(at(1)),
        ..api_key("a", Scope::Read, at(0))
    };
    add(store, &key).await;
    add(store, &api_key("b", Scope::Read, at(5))).await;
    assert_eq!(store.keys().await.unwrap().len(), 2);
    assert_eq!(store.key_of(&key.digest).await.unwrap(), Some(key));
}

async fn there_are_at_most_so_many_keys(store: &dyn Database) {
    let keys: Vec<ApiKey> = (0..4)
        .map(|second| api_key("a", Scope::Read, at(second)))
        .collect();
    for (key, is_kept) in keys.iter().zip([true, true, true, false]) {
        assert_eq!(store.add_key(key, 3).await.unwrap(), is_kept);
    }
    assert_eq!(store.keys().await.unwrap(), keys[..3]);
    assert!(store.remove_key(&keys[1].id).await.unwrap());
    assert!(store.add_key(&keys[3], 3).await.unwrap());
}

async fn a_removed_key_is_gone_with_its_sessions(store: &dyn Database) {
    let (key, other) = (
        api_key("a", Scope::Read, at(0)),
        api_key("b", Scope::Read, at(0)),
    );
    let session = |n: &str, key: &ApiKey| Session {
        token: SecretDigest::of(n),
        key: key.digest,
        created_at: at(1),
        expires_at: at(1) + TimeDelta::days(1),
    };
    let (first, second) = (session("1", &key), session("2", &key));
    let kept = session("3", &other);
    for key in [&key, &other] {
        add(store, key).await;
    }
    for session in [&first, &second, &kept] {
        store.add_session(session, 10).await.unwrap();
    }
    assert!(!store.remove_key(&KeyId::random()).await.unwrap());
    for was_there in [true, false] {
        assert_eq!(store.remove_key(&key.id).await.unwrap(), was_there);
        assert_eq!(store.key_of(&key.digest).await.unwrap(), None);
        assert_eq!(store.session_of(&first.token).await.unwrap(), None);
        assert_eq!(store.session_of(&second.token).await.unwrap(), None);
    }
    assert_eq!(store.keys().await.unwrap(), [other]);
    assert_eq!(store.session_of(&kept.token).await.unwrap(), Some(kept));
}

async fn the_latest_use_of_a_key_stays(store: &dyn Database) {
    let key = api_key("a", Scope::Read, at(0));
    add(store, &key).await;
    for (at, noted) in [(at(60), at(60)), (at(30), at(60)), (at(90), at(90))] {
        store.note_key_use(&key.id, at).await.unwrap();
        let known = store.keys().await.unwrap();
        assert_eq!(known[0].last_used_at, Some(noted));
    }
    store.note_key_use(&KeyId::random(), at(99)).await.unwrap();
}
