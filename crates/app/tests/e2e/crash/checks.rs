//! Invariants after each restart.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use rand::{Rng, rngs::StdRng};
use serde_json::Value;

use super::{
    load::{Answered, Ledger, mark, picture},
    site::{self, Running},
};
use crate::{database::Kind, server::decode};

/// How many images of earlier rounds are read again in each round.
const SAMPLE: usize = 8;

/// How far back the list is read: past the previous round. A database server may finish a statement after
/// its client is gone.
const WINDOW: Duration = Duration::from_secs(10);

/// Longer than the claim of a removal that was killed, which lasts a minute.
const UPKEEP_TIMEOUT: Duration = Duration::from_secs(90);

/// Runs SQLite's integrity checks on a database file.
const INTEGRITY: &str = "import sqlite3, sys; \
    base = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True, timeout=20); \
    print(base.execute('PRAGMA integrity_check').fetchall(), \
          base.execute('PRAGMA foreign_key_check').fetchall())";

/// Checks of every round: the images acknowledged since the last round exist, have their exact bytes and
/// are listed; nothing that was not posted exists; nothing is left at the blob host; no partial file is
/// left; the database is intact.
pub async fn after_restart(server: &Running, ledger: &mut Ledger, rng: &mut StdRng) {
    let from = SystemTime::now() - WINDOW;
    let from = humantime::format_rfc3339_seconds(from);
    let listed = list(server, &format!("/images?min_date={from}")).await;
    let ids = ids(&listed);
    for answered in &ledger.answered[ledger.checked..] {
        assert_is_listed_and_there(server, answered, &ids).await;
        ledger.rows.insert(answered.id.clone(), answered.picture);
    }
    ledger.checked = ledger.answered.len();
    for _ in 0..SAMPLE.min(ledger.answered.len()) {
        let answered = &ledger.answered[rng.random_range(0..ledger.answered.len())];
        assert_is_there(server, answered).await;
    }
    every_row_has_its_bytes(server, ledger, &listed).await;
    nothing_is_left_behind(server).await;
    if server.kind == Kind::Sqlite {
        assert_sound(server).await;
    }
}

/// The same for all images, and the statistics as well.
pub async fn everything(server: &Running, ledger: &mut Ledger) {
    let listed = list(server, "/images").await;
    let ids = ids(&listed);
    assert_eq!(ids.len(), listed.len(), "an id twice\n{}", server.report());
    for answered in &ledger.answered {
        assert_is_listed_and_there(server, answered, &ids).await;
    }
    every_row_has_its_bytes(server, ledger, &listed).await;
    let mut images: HashMap<u64, usize> = HashMap::new();
    for picture in ledger.rows.values() {
        *images.entry(*picture).or_default() += 1;
    }
    for (picture, count) in images {
        assert!(
            count <= ledger.posts[&picture],
            "registered more often than posted: {picture}"
        );
    }
    the_statistics_are_those_of_the_list(server, &listed).await;
}

/// No original without an image stays. Claims on originals expire after some seconds.
pub async fn no_original_is_left_over(server: &Running, ledger: &mut Ledger) {
    let began = Instant::now();
    loop {
        let used: HashSet<u64> = ledger.rows.values().copied().collect();
        let kept = site::files(&server.folder).len();
        if kept == used.len() {
            return;
        }
        assert!(
            kept > used.len(),
            "{kept} originals of {}\n{}",
            used.len(),
            server.report()
        );
        assert!(
            began.elapsed() < UPKEEP_TIMEOUT,
            "{kept} originals, {} are used\n{}",
            used.len(),
            server.report()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        let listed = list(server, "/images").await;
        every_row_has_its_bytes(server, ledger, &listed).await;
    }
}

pub async fn get(server: &Running, path: &str) -> Value {
    let response = server.client.get(server.url(path)).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {text}\n{}", server.report());
    serde_json::from_str(&text).unwrap()
}

pub async fn list(server: &Running, path: &str) -> Vec<Value> {
    match get(server, path).await {
        Value::Array(images) => images,
        other => panic!("no list: {other}"),
    }
}

fn ids(listed: &[Value]) -> HashSet<&str> {
    let ids = listed.iter().map(|image| image["id"].as_str().unwrap());
    ids.collect()
}

async fn assert_is_listed_and_there(server: &Running, answered: &Answered, ids: &HashSet<&str>) {
    assert!(
        ids.contains(&*answered.id),
        "{} is not listed\n{}",
        answered.id,
        server.report()
    );
    assert_is_there(server, answered).await;
}

async fn assert_is_there(server: &Running, answered: &Answered) {
    let image = get(server, &format!("/image/{}", answered.id)).await;
    let is_exact = decode(&image["data"]) == picture(answered.picture);
    assert!(
        is_exact,
        "{}: other bytes\n{}",
        answered.id,
        server.report()
    );
    if let Some(body) = &answered.body {
        assert_eq!(&image, body, "{}", server.report());
    }
}

/// Includes images registered without an acknowledgement.
async fn every_row_has_its_bytes(server: &Running, ledger: &mut Ledger, listed: &[Value]) {
    for image in listed {
        let id = image["id"].as_str().unwrap();
        if ledger.rows.contains_key(id) {
            continue;
        }
        let image = get(server, &format!("/image/{id}")).await;
        let posted = ledger.known.get(&mark(&decode(&image["data"])));
        let posted = posted.unwrap_or_else(|| panic!("{id}: never posted\n{}", server.report()));
        ledger.rows.insert(id.to_owned(), *posted);
    }
}

/// A call to the blob host may complete there after its caller was killed, so its picture is made to look
/// old here.
async fn nothing_is_left_behind(server: &Running) {
    let (began, host) = (Instant::now(), server.fakes.imagekit());
    loop {
        let (blobs, remains) = (host.files(), site::remains(&server.folder));
        if blobs.is_empty() && remains.is_empty() {
            return;
        }
        for blob in &blobs {
            host.backdate(&blob.id, Duration::from_hours(1));
        }
        assert!(
            began.elapsed() < UPKEEP_TIMEOUT,
            "{} pictures are public, {remains:?} are left\n{}",
            blobs.len(),
            server.report()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn assert_sound(server: &Running) {
    let python = std::env::var("ETIQUETA_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut check = Command::new(python);
    check
        .args(["-c", INTEGRITY])
        .arg(server.folder.join("data/etiqueta.db"));
    let output = tokio::task::spawn_blocking(move || check.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "[('ok',)] []", "{errors}\n{}", server.report());
}

async fn the_statistics_are_those_of_the_list(server: &Running, listed: &[Value]) {
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for tag in listed
        .iter()
        .flat_map(|image| image["tags"].as_array().unwrap())
    {
        *expected
            .entry(tag["tag"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    let report = list(server, "/tags").await;
    let report = report.iter().map(|tag| {
        let name = tag["tag"].as_str().unwrap().to_owned();
        (name, tag["n_images"].as_u64().unwrap())
    });
    assert_eq!(
        report.collect::<BTreeMap<_, _>>(),
        expected,
        "{}",
        server.report()
    );
}
