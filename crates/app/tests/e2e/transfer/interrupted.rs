//! Imports that are killed or interrupted, and imports at once.

use super::*;

/// Killed again and again, an import has each image once in the end.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_where_it_was(#[case] kind: Kind) {
    let (_folder, file, originals) = export_of(20).await;
    multiplied(&file, 200);
    let store = Store::create(kind).await;
    store.done(&["migrate"]);
    let import = [
        "import",
        "--json",
        "--from-export",
        text(&file),
        "--originals",
        text(&originals),
    ];
    // How far it came, in one go.
    let images = |text: &str| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["kind"] == "image")
            .collect()
    };
    let (mut before, mut grown) = (0, 0);
    for round in 1..=12u64 {
        let mut child = spawned(store.command(&import));
        tokio::time::sleep(Duration::from_millis(600 * round)).await;
        let is_under_way = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        let after = images(&store.export()).len();
        assert_eq!(after % 200, 0, "batches are recorded as a whole");
        grown += u32::from(is_under_way && after > before);
        before = after;
        if grown == 2 || !is_under_way {
            break;
        }
    }
    assert!(grown > 0 && before > 0, "{grown}: {before}");
    let summary = store.import(&file, &["--originals", text(&originals)]);
    let [imported, present, left_out, failed] = counts(&summary["images"]);
    assert_eq!((imported + present, left_out, failed), (4000, 0, 0));
    assert_eq!(present, before as u64);
    let summary = store.import(&file, &["--originals", text(&originals)]);
    assert_eq!(counts(&summary["images"]), [0, 4000, 0, 0]);
    let exported = store.export();
    assert_eq!(
        images(&exported),
        images(&fs::read_to_string(&file).unwrap())
    );
    let server = store.serve().await;
    crate::edits::assert_counted(&server).await;
    let (code, out, errors) = run(store.command(&["check"]));
    assert_eq!(code, 0, "{out}{errors}");
}

/// Two imports of one export at once, and beside a server.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn imports_run_beside_each_other_and_beside_a_server(#[case] kind: Kind) {
    let (_folder, file, originals) = export_of(20).await;
    multiplied(&file, 50);
    let store = Store::create(kind).await;
    let server = store.serve().await;
    let arguments = [
        "import",
        "--merge",
        "--from-export",
        text(&file),
        "--originals",
        text(&originals),
    ];
    let imports = [(), ()].map(|()| {
        let command = store.command(&arguments);
        std::thread::spawn(|| run(command))
    });
    for seed in 0..5 {
        server.register(&jpeg(seed + 100), "").await;
    }
    for import in imports {
        let (code, out, errors) = import.join().unwrap();
        assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    }
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 1005);
    crate::edits::assert_counted(&server).await;
}

/// SIGTERM ends an import between two batches.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_interrupts_an_import() {
    let (_folder, file, originals) = export_of(20).await;
    multiplied(&file, 150);
    let store = Store::create(Kind::Sqlite).await;
    let arguments = [
        "import",
        "--json",
        "--from-export",
        text(&file),
        "--originals",
        text(&originals),
    ];
    let mut command = store.command(&arguments);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let database = store.folder.path().join("data/etiqueta.db");
    let began = Instant::now();
    while !database.exists() {
        assert!(began.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.ends_with("interrupted; start it again to go on\n"),
        "{errors}"
    );
    let summary = store.import(&file, &["--originals", text(&originals)]);
    let [imported, present, left_out, failed] = counts(&summary["images"]);
    assert_eq!((imported + present, left_out, failed), (3000, 0, 0));
}
