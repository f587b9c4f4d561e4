//! `etiqueta key`: creates, lists and revokes API keys, directly in the database.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::{
    ApiKey, KeyId, KeyName, Scope, Scopes,
    ports::Clock,
    service::{KeyRequest, Keys},
};
use serde_json::json;

use super::{arguments::KeyCommand, exit::Usage};
use crate::{
    clock::SystemClock,
    settings::Settings,
    wiring::{self, Database},
};

/// The longest validity of a key that expires.
const LONGEST: TimeDelta = TimeDelta::days(36_525);

pub(super) async fn run(command: KeyCommand, settings: &Settings) -> anyhow::Result<()> {
    let database = Database::new(settings)?;
    // Before anything is opened: looking makes no file.
    database.require_schema().await?;
    let keys = wiring::managing_keys(&database)?;
    match command {
        KeyCommand::Create {
            name,
            scopes,
            expires,
        } => create(&keys, name, scopes, expires).await,
        KeyCommand::List { json } => {
            let keys = keys.list().await?;
            let zone = settings.server.timezone;
            let write = if json { write_json } else { write_table };
            Ok(write(&keys, zone, &mut io::stdout().lock())?)
        }
        KeyCommand::Revoke { id } => revoke(&keys, id).await,
    }
}

/// Creates a key. Standard output gets the secret alone, so that it can be redirected to a file.
async fn create(
    keys: &Keys,
    name: KeyName,
    scopes: Vec<Scope>,
    expires: Option<Duration>,
) -> anyhow::Result<()> {
    let request = KeyRequest {
        name,
        scopes: Scopes::new(scopes).context("a key needs a scope")?,
        expires_at: expires.map(expiry).transpose()?,
    };
    let (key, secret) = keys.create(request).await?;
    let shown = writeln!(io::stdout(), "{}", secret.expose()).and_then(|()| io::stdout().flush());
    if let Err(error) = shown {
        keys.revoke(&key.id).await?;
        // Without its source: a broken pipe is a failure here.
        bail!("the key could not be printed, and is revoked again: {error}");
    }
    writeln!(
        io::stderr(),
        "etiqueta: the key {} ({}) is created; it is shown only once",
        key.id,
        key.scopes
    )?;
    Ok(())
}

/// The expiry of a key created now.
fn expiry(after: Duration) -> anyhow::Result<DateTime<Utc>> {
    let after = TimeDelta::from_std(after)
        .ok()
        .filter(|after| *after <= LONGEST);
    after
        .map(|after| SystemClock.now() + after)
        .ok_or_else(|| Usage::because("a key is valid for 100 years at most").into())
}

async fn revoke(keys: &Keys, id: KeyId) -> anyhow::Result<()> {
    if keys.revoke(&id).await? {
        writeln!(io::stderr(), "etiqueta: the key {id} is revoked")?;
        Ok(())
    } else {
        Err(Usage::because(format!("there is no key {id}")).into())
    }
}

fn write_table(keys: &[ApiKey], zone: Tz, out: &mut dyn Write) -> io::Result<()> {
    let date = |at: Option<DateTime<Utc>>| at.map_or("never".to_owned(), |at| written(at, zone));
    for key in keys {
        let (created, expires) = (written(key.created_at, zone), date(key.expires_at));
        let used = date(key.last_used_at);
        writeln!(
            out,
            "{}  {}  {}\n    created {created}, expires {expires}, last used {used}",
            key.id, key.scopes, key.name
        )?;
    }
    out.flush()
}

fn write_json(keys: &[ApiKey], zone: Tz, out: &mut dyn Write) -> io::Result<()> {
    let date = |at: Option<DateTime<Utc>>| at.map(|at| written(at, zone));
    for key in keys {
        let scopes: Vec<_> = key.scopes.iter().map(Scope::as_str).collect();
        let line = json!({
            "id": key.id.to_string(),
            "name": key.name.as_str(),
            "scopes": scopes,
            "created": written(key.created_at, zone),
            "expires": date(key.expires_at),
            "last_used": date(key.last_used_at),
        });
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn written(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    local.format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use domain_testing::{api_key, at};

    use super::*;

    fn keys() -> Vec<ApiKey> {
        vec![
            api_key("phone", Scope::Upload, at(0)),
            ApiKey {
                expires_at: Some(at(60)),
                last_used_at: Some(at(30)),
                ..api_key("old one", Scope::Admin, at(1))
            },
        ]
    }

    fn written_by(
        write: fn(&[ApiKey], Tz, &mut dyn Write) -> io::Result<()>,
        keys: &[ApiKey],
    ) -> String {
        let mut out = Vec::new();
        write(keys, chrono_tz::Europe::Madrid, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_key_is_two_lines_of_a_table() {
        let keys = keys();
        assert_eq!(
            written_by(write_table, &keys),
            format!(
                "{}  upload  phone\n    created 2024-01-01 01:00:00, expires never, last used never\n\
                 {}  admin  old one\n    created 2024-01-01 01:00:01, expires 2024-01-01 01:01:00, \
                 last used 2024-01-01 01:00:30\n",
                keys[0].id, keys[1].id
            )
        );
    }

    #[test]
    fn a_key_is_a_line_of_json() {
        let keys = keys();
        let text = written_by(write_json, &keys);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            json!({
                "id": keys[0].id.to_string(), "name": "phone", "scopes": ["upload"],
                "created": "2024-01-01 01:00:00", "expires": null, "last_used": null,
            })
        );
        assert_eq!(lines[1]["last_used"], "2024-01-01 01:00:30");
    }

    #[test]
    fn a_time_without_end_is_refused() {
        assert!(expiry(Duration::from_mins(1)).is_ok());
        assert!(expiry(Duration::MAX).is_err());
        assert!(expiry(Duration::from_hours(24 * 36_526)).is_err());
    }
}
