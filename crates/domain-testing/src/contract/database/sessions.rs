//! Sessions of browsers.

use chrono::{DateTime, TimeDelta, Utc};

use super::MICROSECOND;
use crate::at;
use domain::{SecretDigest, Session, ports::Database};

chapter!(
    a_session_comes_back_as_it_was,
    a_removed_session_is_gone,
    expired_sessions_go_when_one_is_added,
    the_oldest_sessions_go_when_there_are_too_many,
);

/// A session of a day.
fn session(name: &str, created_at: DateTime<Utc>) -> Session {
    Session {
        token: SecretDigest::of(name),
        key: SecretDigest::of("the key"),
        created_at,
        expires_at: created_at + TimeDelta::days(1),
    }
}

async fn is_kept(store: &dyn Database, session: &Session) -> bool {
    let found = store.session_of(&session.token).await.unwrap();
    assert!(found.as_ref().is_none_or(|found| found == session));
    found.is_some()
}

async fn a_session_comes_back_as_it_was(store: &dyn Database) {
    let session = session("a", at(0) + MICROSECOND);
    assert!(!is_kept(store, &session).await);
    store.add_session(&session, 10).await.unwrap();
    assert!(is_kept(store, &session).await);
    let other = SecretDigest::of("b");
    assert_eq!(store.session_of(&other).await.unwrap(), None);
}

async fn a_removed_session_is_gone(store: &dyn Database) {
    let (gone, stays) = (session("a", at(0)), session("b", at(0)));
    for session in [&gone, &stays] {
        store.add_session(session, 10).await.unwrap();
    }
    for was_there in [true, false] {
        assert_eq!(store.remove_session(&gone.token).await.unwrap(), was_there);
        assert!(!is_kept(store, &gone).await);
    }
    assert!(is_kept(store, &stays).await);
}

async fn expired_sessions_go_when_one_is_added(store: &dyn Database) {
    let first = session("a", at(0));
    let second = session("b", at(0) + MICROSECOND);
    for session in [&first, &second] {
        store.add_session(session, 10).await.unwrap();
    }
    let third = session("c", first.expires_at);
    store.add_session(&third, 10).await.unwrap();
    assert!(!is_kept(store, &first).await);
    assert!(is_kept(store, &second).await);
    assert!(is_kept(store, &third).await);
}

/// Those that began at the same instant included.
async fn the_oldest_sessions_go_when_there_are_too_many(store: &dyn Database) {
    let sessions: Vec<Session> = [0, 1, 2, 3, 4]
        .map(|second| session(&second.to_string(), at(second)))
        .into();
    for session in &sessions {
        store.add_session(session, 3).await.unwrap();
    }
    for (session, kept) in sessions.iter().zip([false, false, true, true, true]) {
        assert_eq!(is_kept(store, session).await, kept);
    }
    for name in ["x", "y", "z", "w"] {
        store.add_session(&session(name, at(5)), 3).await.unwrap();
    }
    let mut left = 0;
    for name in ["x", "y", "z", "w"] {
        left += usize::from(is_kept(store, &session(name, at(5))).await);
    }
    assert!((1..=3).contains(&left), "{left}");
    assert!(is_kept(store, &session("w", at(5))).await);
    assert!(!is_kept(store, &sessions[4]).await);
}
