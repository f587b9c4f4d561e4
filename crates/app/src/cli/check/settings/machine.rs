//! The machine: originals, space, memory, permissions, open files.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::ports::in_words;
use http_api::KeyPolicy;
use indicatif::HumanBytes;
use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};
use tokio::time::timeout;

use super::Finding;
use crate::{
    access,
    settings::Settings,
    wiring::{self, Database},
};

/// How long the originals may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// With less room a day of uploads may fill the disk.
const LEAST_ROOM: u64 = 1 << 30;

/// What the process takes beside its limits of memory: networks, connections, caches.
const BESIDE: u64 = 256 << 20;

/// With fewer open files busy clients are turned away.
const LEAST_FILES: u64 = 4096;

pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let (originals, folder) = originals(settings).await;
    let file = Database::new(settings).ok();
    let file = file.and_then(|database| database.file().map(Path::to_owned));
    let mut findings = vec![originals];
    findings.extend(
        places(file.as_deref(), folder.as_deref())
            .iter()
            .filter_map(|place| space(place)),
    );
    findings.extend([memory(settings, memory_limit()), files()]);
    findings.extend(openness(settings));
    findings.extend(wider(settings, file, folder));
    findings
}

/// Whether originals can be put and read, and the folder that they are in.
async fn originals(settings: &Settings) -> (Finding, Option<PathBuf>) {
    const CHECK: &str = "originals";
    const ADVICE: &str = "originals.url must name a folder that this account may write to, or a bucket whose AWS_* variables are right; a folder that is not there yet is made by the first start of a server";
    let (store, folder) = match wiring::probing(settings) {
        Ok(opened) => opened,
        Err(error) => {
            return (
                Finding::error(CHECK, in_words(error.as_ref()), ADVICE),
                None,
            );
        }
    };
    let finding = match timeout(PATIENCE, store.ready()).await {
        Ok(Ok(())) => Finding::ok(CHECK, "they can be put and read"),
        Ok(Err(error)) => Finding::error(CHECK, in_words(&error), ADVICE),
        Err(_) => Finding::error(CHECK, "no answer within 30 s", ADVICE),
    };
    (finding, folder)
}

/// The folders that are written to, each disk once as far as paths tell.
fn places(file: Option<&Path>, folder: Option<&Path>) -> Vec<PathBuf> {
    let of_file = file.map(|file| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    });
    let mut places: Vec<_> = of_file
        .into_iter()
        .chain(folder.map(Path::to_owned))
        .collect();
    places.dedup();
    places
}

fn space(place: &Path) -> Option<Finding> {
    let disk = statvfs(place).ok()?;
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    let detail = format!("{} left at {}", HumanBytes(room), place.display());
    Some(if room < LEAST_ROOM {
        Finding::warning(
            "space",
            detail,
            "make room: a full disk refuses uploads; limits.store_bytes stops them before",
        )
    } else {
        Finding::ok("space", detail)
    })
}

/// The most memory that this control group, or this machine, allows.
fn memory_limit() -> Option<u64> {
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    });
    group.into_iter().chain(machine).min()
}

fn memory(settings: &Settings, limit: Option<u64>) -> Finding {
    const CHECK: &str = "memory";
    let uploads = u64::try_from(settings.limits.memory_bytes.get()).unwrap_or(u64::MAX);
    let needed = uploads
        .saturating_add(settings.limits.pixel_bytes)
        .saturating_add(BESIDE);
    let Some(limit) = limit else {
        return Finding::ok(CHECK, format!("up to {} are taken", HumanBytes(needed)));
    };
    let detail = format!(
        "up to {} are taken, of {}",
        HumanBytes(needed),
        HumanBytes(limit)
    );
    if needed > limit {
        let advice = "lower limits.memory_bytes and limits.pixel_bytes, or give the server more: else the kernel ends it under load";
        return Finding::warning(CHECK, detail, advice);
    }
    Finding::ok(CHECK, detail)
}

/// Open files: the server raises the soft limit to the hard one.
fn files() -> Finding {
    let most = getrlimit(Resource::Nofile).maximum;
    match most {
        Some(most) if most < LEAST_FILES => {
            let detail = format!("at most {most}");
            Finding::warning(
                "open files",
                detail,
                "raise LimitNOFILE of the service, or ulimits of the container",
            )
        }
        Some(most) => Finding::ok("open files", format!("at most {most}")),
        None => Finding::ok("open files", "without limit"),
    }
}

fn openness(settings: &Settings) -> Option<Finding> {
    let is_open = access::policy(settings) == KeyPolicy::Nothing;
    (is_open && !access::is_private(settings)).then(|| {
        Finding::warning(
            "keys",
            "every client that reaches the server may change and remove images",
            "set auth.required to writes or true, and see `etiqueta key create`",
        )
    })
}

fn wider(settings: &Settings, file: Option<PathBuf>, folder: Option<PathBuf>) -> Option<Finding> {
    let paths: Vec<_> = file.into_iter().chain(folder).collect();
    let wider = settings.server.umask.wider_than(&paths);
    (!wider.is_empty()).then(|| {
        let detail = format!("other accounts may use {}", wider.join(", "));
        Finding::warning(
            "permissions",
            detail,
            "chmod -R go= takes that away; or set server.umask to what is wanted",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn the_limits_of_memory_must_fit_into_what_there_is() {
        let settings = Settings::load(&crate::settings::Environment::default())
            .unwrap()
            .settings;
        assert_eq!(memory(&settings, Some(1 << 30)).level, Level::Ok);
        assert_eq!(memory(&settings, Some(512 << 20)).level, Level::Warning);
        assert_eq!(memory(&settings, None).level, Level::Ok);
    }

    #[test]
    fn both_places_are_looked_at() {
        let places =
            |file: &str, folder: &str| places(Some(Path::new(file)), Some(Path::new(folder)));
        assert_eq!(
            places("data/e.db", "Images"),
            [PathBuf::from("data"), "Images".into()]
        );
        assert_eq!(places("e.db", "."), [PathBuf::from(".")]);
        assert!(space(Path::new("/")).is_some());
        assert_eq!(space(Path::new("/nowhere")), None);
    }
}
