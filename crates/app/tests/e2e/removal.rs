//! Late removals, beside uploads of the same bytes through another process; and two databases that keep
//! originals in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::ContentDigest;
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::Fakes;

use super::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Server, command, decode, run},
};

/// An `LD_PRELOAD` library that delays renames and unlinks of quarantined files, like a hung disk: before
/// the call while the file `$HELD.before` exists, after it while `$HELD.after` does. It signals its arrival
/// by `$HELD.before.reached`.
const HOLDING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pass(const char *when) {
    char file[4096], reached[4096 + 16];
    snprintf(file, sizeof file, "%s.%s", getenv("HELD"), when);
    snprintf(reached, sizeof reached, "%s.reached", file);
    if (access(file, F_OK) != 0) return;
    close(open(reached, O_CREAT | O_WRONLY, 0600));
    while (access(file, F_OK) == 0) usleep(2000);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int held = strstr(to, ".etiqueta-removals/") != NULL;
    if (held) pass("before");
    int outcome = real(from, to);
    if (held) pass("after");
    return outcome;
}

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    int held = strstr(path, ".etiqueta-removals/") != NULL;
    if (held) pass("unlink");
    return real(path);
}
"#;

/// A file that delays a removal.
struct Hold {
    folder: TempDir,
}

impl Hold {
    /// Compiles the library.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let source = folder.path().join("holding.c");
        fs::write(&source, HOLDING).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(folder.path().join("holding.so"))
            .arg(&source)
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(compiled.success());
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn variables(&self) -> [(String, String); 2] {
        let text = |file: PathBuf| file.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD".to_owned(), text(self.file("holding.so"))),
            ("HELD".to_owned(), text(self.file("held"))),
        ]
    }

    fn close(&self, when: &str) {
        fs::write(self.file(&format!("held.{when}")), "").unwrap();
    }

    fn open(&self, when: &str) {
        fs::remove_file(self.file(&format!("held.{when}"))).unwrap();
    }

    async fn reached(&self, when: &str) {
        let file = self.file(&format!("held.{when}.reached"));
        until(&format!("{when} is reached"), || file.exists()).await;
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(1), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A store with an orphaned original that nothing has removed yet.
struct Fixture {
    database: Arc<Database>,
    folder: Arc<TempDir>,
    digest: String,
    hold: Hold,
}

impl Fixture {
    async fn create(kind: Kind) -> Self {
        let mut server = Server::start(kind).await;
        server.register(&jpeg(1), "").await;
        server.process.kill();
        let site = Self {
            database: server.database.clone(),
            folder: server.folder.clone(),
            digest: ContentDigest::of(&jpeg(1)).to_string(),
            hold: Hold::new(),
        };
        site.abandon().await;
        site
    }

    /// As if the upload had been killed before it recorded its image, long enough ago.
    async fn abandon(&self) {
        abandon(&self.database).await;
        self.age();
    }

    /// Makes the original two hours old: a check leaves younger ones alone.
    fn age(&self) {
        let file = fs::File::options().append(true).open(self.home()).unwrap();
        let then = SystemTime::now() - Duration::from_hours(2);
        file.set_modified(then).unwrap();
    }

    fn images(&self) -> PathBuf {
        self.folder.path().join("Images")
    }

    fn home(&self) -> PathBuf {
        let fan = format!("{}/{}", &self.digest[..2], &self.digest[2..4]);
        self.images().join(fan).join(&self.digest)
    }

    fn set_aside(&self) -> usize {
        let entries = fs::read_dir(self.images().join(".etiqueta-removals"));
        entries.map_or(0, Iterator::count)
    }

    async fn server(&self, variables: &[(&str, &str)]) -> Server {
        let fakes = Fakes::start().await.unwrap();
        Server::start_on(self.database.clone(), self.folder.clone(), fakes, variables).await
    }

    /// A server that removes the original as soon as it starts, and is delayed.
    async fn late_server(&self) -> Server {
        let variables = self.hold.variables();
        let variables = variables.each_ref().map(|(key, value)| (&**key, &**value));
        self.server(&variables).await
    }

    /// `etiqueta check --repair`, which moves the original away and is delayed.
    fn late_check(&self) -> Child {
        let mut command = command(self.folder.path());
        command
            .env("ETIQUETA__DATABASE__URL", self.database.url())
            .envs(self.hold.variables())
            .args(["check", "--repair", "--json"])
            .stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// Lets a minute pass, after which uploads no longer wait for a removal.
    async fn let_claims_run_out(&self) {
        let statement =
            "UPDATE etiqueta_original SET removing_until = 1 WHERE removing_until IS NOT NULL";
        self.database.execute(statement).await;
    }
}

/// Deletes the images, and expires the claims on their originals.
async fn abandon(database: &Database) {
    for statement in [
        "DELETE FROM etiqueta_image_tag",
        "DELETE FROM etiqueta_image",
        "UPDATE etiqueta_original SET claimed_until = 1",
    ] {
        database.execute(statement).await;
    }
}

async fn assert_is_whole(server: &Server, image: &Value) {
    let path = format!("/image/{}", image["id"].as_str().unwrap());
    assert_eq!(decode(&server.json(&path).await["data"]), jpeg(1));
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_late_rename_takes_nothing_from_an_upload(#[case] kind: Kind) {
    let site = Fixture::create(kind).await;
    site.hold.close("before");
    site.hold.close("after");
    let _late = site.late_server().await;
    site.hold.reached("before").await;
    let server = site.server(&[]).await;
    site.let_claims_run_out().await;
    let image = server.register(&jpeg(1), "").await;
    assert_is_whole(&server, &image).await;
    site.hold.open("before");
    site.hold.reached("after").await;
    assert!(!site.home().exists(), "the rename took it along");
    assert_is_whole(&server, &image).await;
    site.hold.open("after");
    until("it is put back", || {
        site.home().exists() && site.set_aside() == 0
    })
    .await;
    assert_is_whole(&server, &image).await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn late_rename_of_a_killed_server_is_undone_by_another(#[case] kind: Kind) {
    let site = Fixture::create(kind).await;
    site.hold.close("before");
    site.hold.close("after");
    let mut late = site.late_server().await;
    site.hold.reached("before").await;
    let server = site.server(&[("ETIQUETA__UPKEEP__INTERVAL", "1s")]).await;
    site.let_claims_run_out().await;
    let image = server.register(&jpeg(1), "").await;
    site.hold.open("before");
    site.hold.reached("after").await;
    late.process.kill();
    assert_is_whole(&server, &image).await;
    until("it is put back", || {
        site.home().exists() && site.set_aside() == 0
    })
    .await;
    assert_is_whole(&server, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_unlink_takes_nothing_from_an_upload() {
    let site = Fixture::create(Kind::Sqlite).await;
    site.hold.close("unlink");
    let _late = site.late_server().await;
    site.hold.reached("unlink").await;
    let server = site.server(&[]).await;
    let image = server.register(&jpeg(1), "").await;
    site.hold.open("unlink");
    until("it is unlinked", || site.set_aside() == 0).await;
    assert_is_whole(&server, &image).await;
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_late_check_takes_nothing_from_an_upload(#[case] kind: Kind) {
    for is_killed in [false, true] {
        let site = Fixture::create(kind).await;
        // Only a check moves it away: upkeep must not know of its claim.
        let statement = "UPDATE etiqueta_original SET claimed_until = NULL";
        site.database.execute(statement).await;
        site.hold.close("before");
        site.hold.close("after");
        let mut check = site.late_check();
        site.hold.reached("before").await;
        let server = site.server(&[("ETIQUETA__UPKEEP__INTERVAL", "1s")]).await;
        site.let_claims_run_out().await;
        let image = server.register(&jpeg(1), "").await;
        site.hold.open("before");
        site.hold.reached("after").await;
        assert_is_whole(&server, &image).await;
        if is_killed {
            check.kill().unwrap();
        } else {
            site.hold.open("after");
        }
        let code = check.wait().unwrap().code();
        assert_eq!(code, (!is_killed).then_some(0), "nothing is left to find");
        until("it is put back", || {
            site.home().exists() && site.set_aside() == 0
        })
        .await;
        assert_is_whole(&server, &image).await;
        let kept = site.images().join("quarantine").join(&site.digest);
        assert!(!kept.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_upkeep_removes_nothing() {
    let site = Fixture::create(Kind::Sqlite).await;
    let never = [
        ("ETIQUETA__UPKEEP__ENABLED", "false"),
        ("ETIQUETA__UPKEEP__INTERVAL", "1s"),
    ];
    let idle = site.server(&never).await;
    idle.register(&jpeg(2), "").await;
    assert!(site.home().exists());
    let other = site.server(&[]).await;
    until("it is removed", || !site.home().exists()).await;
    let removed = |server: &Server| server.process.log().contains("abandoned originals removed");
    until("it is said", || removed(&other)).await;
    assert!(!removed(&idle), "{}", idle.process.log());
}

/// The output and exit code of a check.
fn check(folder: &Path, database: &Database, originals: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = command(folder);
    command
        .env("ETIQUETA__DATABASE__URL", database.url())
        .env("ETIQUETA__ORIGINALS__URL", originals)
        .arg("check")
        .args(arguments);
    let (code, output, errors) = run(command);
    (code, output + &errors)
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn shared_folder_is_kept_until_one_database_is_forgotten(#[case] kind: Kind) {
    let site = Fixture::create(kind).await;
    let originals = format!("file:{}", site.images().display());
    let databases = || {
        let entries = fs::read_dir(site.images().join(".etiqueta-databases")).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    };
    let own = databases();
    assert_eq!(own.len(), 1);
    let fakes = Fakes::start().await.unwrap();
    let shared = [("ETIQUETA__ORIGINALS__URL", &*originals)];
    let mut other = Server::start_with(Kind::Sqlite, fakes, &shared).await;
    let image = other.register(&jpeg(1), "").await;
    site.age();
    let both = databases();
    assert_eq!(both.len(), 2);

    let often = [("ETIQUETA__UPKEEP__INTERVAL", "1s")];
    let server = site.server(&often).await;
    until("it is said", || {
        server.process.log().contains("another database keeps")
    })
    .await;
    server.register(&jpeg(2), "").await;
    let checked =
        |arguments: &[&str]| check(site.folder.path(), &site.database, &originals, arguments);
    let (code, said) = checked(&["--repair"]);
    assert_eq!(code, 4, "what would be moved is left: {said}");
    for database in &both {
        assert!(
            said.contains(&format!("shared-originals: {database}: ")),
            "{said}"
        );
    }
    assert!(said.contains("not moved: another database"), "{said}");
    assert_is_whole(&other, &image).await;
    other.process.kill();

    let (code, said) = checked(&["--forget-database", &own[0]]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("of these settings"), "{said}");
    let given_up = both.iter().find(|database| **database != own[0]).unwrap();
    let (code, said) = checked(&["--forget-database", given_up]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(databases(), own);
    let (code, said) = checked(&["--forget-database", given_up]);
    assert_eq!(code, 2, "{said}");
    until("it is removed", || !site.home().exists()).await;
    let reports = server
        .process
        .log()
        .matches("another database keeps")
        .count();
    assert_eq!(reports, 1, "the log says so once");
}
