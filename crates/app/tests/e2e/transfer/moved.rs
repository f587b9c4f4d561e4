//! Stores that move between kinds of databases.

use super::*;

#[rstest]
#[case::sqlite_and_mysql(Kind::Sqlite, Kind::Mysql)]
#[case::mysql_and_sqlite(Kind::Mysql, Kind::Sqlite)]
#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_to_another_kind_of_database_and_back(
    #[case] kind: Kind,
    #[case] other: Kind,
) {
    let mut server = filled(kind).await;
    let (before, tags_before) = (answers(&server).await, statistics(&server).await);
    let first = Store::of(&mut server);
    let folder = TempDir::new().unwrap();
    let [one, originals] = ["one.jsonl", "originals"].map(|name| folder.path().join(name));
    let out = first.done(&[
        "export",
        "--output",
        text(&one),
        "--originals",
        text(&originals),
    ]);
    assert_eq!(out, "");
    let exported = fs::read_to_string(&one).unwrap();
    assert_eq!(first.export(), exported, "an export is the same each time");
    let (images, answered) = (10, 5);
    assert_eq!(
        exported.lines().count(),
        1 + 2 + images + answered + 1,
        "{exported}"
    );
    assert!(exported.contains("\"source\":\"file\",\"tags\":[[\"from the file\",100.0]]"));
    let files = WalkDir::new(&originals).into_iter().map(Result::unwrap);
    assert_eq!(files.filter(|it| it.file_type().is_file()).count(), 6);

    // With the originals beside the export.
    let second = Store::create(other).await;
    let summary = second.import(&one, &["--originals", text(&originals)]);
    assert_eq!(counts(&summary["images"]), [images as u64, 0, 0, 0]);
    assert_eq!(counts(&summary["answers"]), [answered as u64, 0, 0, 0]);
    assert_eq!(counts(&summary["vocabulary"]), [2, 0, 0, 0]);
    let again = second.export();
    assert_eq!(again, exported);

    // Back, with the originals where they are.
    let mut third = Store::create(kind).await;
    let shared = second.folder.path().join("Images");
    assert!(
        shared.is_dir(),
        "{:?}",
        fs::read_dir(second.folder.path())
            .unwrap()
            .collect::<Vec<_>>()
    );
    let url = format!("file:{}", shared.display());
    third
        .variables
        .push(("ETIQUETA__ORIGINALS__URL".to_owned(), url));
    let two = folder.path().join("two.jsonl");
    fs::write(&two, again).unwrap();
    third.import(&two, &[]);
    assert_eq!(third.export(), exported);
    for store in [&second, &third] {
        let (code, out, errors) = run(store.command(&["check"]));
        assert_eq!(code, 0, "{out}{errors}");
        let server = store.serve().await;
        assert_eq!(answers(&server).await, before);
        assert_eq!(statistics(&server).await, tags_before);
        assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 0);
        // The answers that were kept are used.
        server.register(&jpeg(1), "").await;
        assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 0);
    }
}
