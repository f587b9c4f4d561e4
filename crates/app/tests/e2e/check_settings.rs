//! `etiqueta check --settings`.

use rstest::rstest;
use serde_json::Value;
use upstream_fakes::{Fakes, Route};

use super::{
    database::Kind,
    server::{Server, command, run},
};

/// The exit code and what was found of a server's settings, with more variables.
fn check(server: &Server, more: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let mut command = command(server.folder.path());
    command.args(["check", "--settings", "--json"]);
    command.envs(server.fakes.variables());
    command.env("ETIQUETA__DATABASE__URL", server.database.url());
    command.envs(more.iter().copied());
    let (code, output, errors) = run(command);
    assert_eq!(errors, "", "{output}");
    let lines = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (code, lines.collect())
}

/// What was found of one thing.
fn found<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let mut findings = findings.iter().filter(|finding| finding["check"] == check);
    findings
        .next()
        .unwrap_or_else(|| panic!("nothing of {check}"))
}

#[rstest]
#[case::sqlite(Kind::Sqlite, &["SQLite 3."])]
#[case::mysql(Kind::Mysql, &["MariaDB", "MySQL "])]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_runs_on_is_told(#[case] kind: Kind, #[case] products: &[&str]) {
    let server = Server::start(kind).await;
    let (_, findings) = check(&server, &[]);
    for name in [
        "database",
        "schema",
        "originals",
        "space",
        "memory",
        "open files",
        "tagger",
    ] {
        assert_eq!(found(&findings, name)["level"], "ok", "{findings:?}");
    }
    let version = found(&findings, "database")["detail"].as_str().unwrap();
    assert!(
        products.iter().any(|product| version.contains(product)),
        "{version}"
    );
    if kind == Kind::Mysql {
        assert_eq!(found(&findings, "clock")["level"], "ok");
    }
    // One call of each, and the picture is not public any more.
    assert_eq!(
        server
            .fakes
            .imagga()
            .traffic()
            .requests_of(Route::Tags)
            .len(),
        1
    );
    assert_eq!(
        (
            server.fakes.imagekit().uploads(),
            server.fakes.imagekit().alive()
        ),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_what_to_do() {
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &[]).await;
    let wrong = [
        ("ETIQUETA__IMAGGA__API_SECRET", "wrong"),
        ("ETIQUETA__ORIGINALS__URL", "file:nowhere"),
        ("ETIQUETA__LIMITS__PIXEL_BYTES", "1000000000000"),
        ("ETIQUETA__SERVER__BIND", "0.0.0.0"),
        ("ETIQUETA__AUTH__REQUIRED", "false"),
    ];
    let (code, findings) = check(&server, &wrong);
    assert_eq!(code, 4);
    for (name, level) in [
        ("tagger", "error"),
        ("originals", "error"),
        ("memory", "warning"),
        ("keys", "warning"),
    ] {
        let finding = found(&findings, name);
        assert_eq!(finding["level"], level, "{finding}");
        assert!(!finding["advice"].as_str().unwrap().is_empty());
    }
    let tagger = found(&findings, "tagger")["detail"].as_str().unwrap();
    assert!(tagger.contains("401"), "{tagger}");
    assert!(!server.folder.path().join("nowhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_does_not_keep_the_rest_from_being_checked() {
    let server = Server::start(Kind::Sqlite).await;
    let away = [(
        "ETIQUETA__DATABASE__URL",
        "mysql://u:hush-hush@127.0.0.1:1/none",
    )];
    let (code, findings) = check(&server, &away);
    assert_eq!(code, 4);
    assert_eq!(found(&findings, "database")["level"], "error");
    assert_eq!(found(&findings, "tagger")["level"], "ok");
    assert!(!format!("{findings:?}").contains("hush-hush"));
}
