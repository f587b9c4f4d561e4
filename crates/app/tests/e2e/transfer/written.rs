//! What an export writes, and where.

use super::*;

/// For people: nothing that a spreadsheet would take for a formula, and fields that are quoted.
#[tokio::test(flavor = "multi_thread")]
async fn tags_are_exported_as_a_table() {
    let mut server = filled(Kind::Sqlite).await;
    let store = Store::of(&mut server);
    let table = store.done(&["export", "--csv"]);
    assert!(
        table.starts_with("id,date,file_name,tag,confidence,source,provider\r\n"),
        "{table}"
    );
    assert!(
        table.contains(",\"'=HYPERLINK(\"\"x\"\"),'; ñ.jpg\","),
        "{table}"
    );
    assert!(table.contains(",my own,100,person,\r\n"), "{table}");
    assert!(table.contains(",from the file,100,file,\r\n"), "{table}");
    assert!(table.contains(",provider,imagga\r\n"), "{table}");
    let quoted = ",\"'-plain,\"\"quoted\"\".jpg\",";
    assert!(table.contains(quoted), "{table}");
    let file = store.folder.path().join("table.csv");
    store.done(&["export", "--csv", "--output", text(&file)]);
    assert_eq!(fs::read_to_string(file).unwrap(), table);
}

/// A reader that goes away ends an export without a word.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_no_failure() {
    let (_folder, file, originals) = export_of(20).await;
    multiplied(&file, 100);
    let store = Store::create(Kind::Sqlite).await;
    store.import(&file, &["--originals", text(&originals)]);
    for arguments in [&["export"][..], &["export", "--csv"]] {
        let mut export = store.command(arguments);
        let export = export.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = export.spawn().unwrap();
        let mut first = [0; 16];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

/// An export leaves no file behind that is not whole, and goes on without the originals that are not there.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_whole_or_not_there() {
    let mut server = Server::start(Kind::Sqlite).await;
    for seed in 0..3 {
        server.register(&jpeg(seed), "").await;
    }
    let store = Store::of(&mut server);
    let originals = store.folder.path().join("Images");
    let files = WalkDir::new(&originals).into_iter().map(Result::unwrap);
    let is_original =
        |it: &walkdir::DirEntry| it.file_type().is_file() && it.file_name().len() == 64;
    let lost = files.into_iter().find(is_original).unwrap();
    fs::remove_file(lost.path()).unwrap();
    let folder = TempDir::new().unwrap();
    let [file, copies] = ["out/store.jsonl", "copies"].map(|name| folder.path().join(name));
    let arguments = [
        "export",
        "--output",
        text(&file),
        "--originals",
        text(&copies),
    ];
    let (code, _, errors) = run(store.command(&arguments));
    assert_eq!(code, 1);
    assert!(errors.contains("out"), "{errors}");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let (code, _, errors) = run(store.command(&arguments));
    assert_eq!(code, 1);
    assert!(
        errors.contains("is missing; etiqueta check says more"),
        "{errors}"
    );
    assert!(
        errors.contains("1 originals were not copied; the rest of the export is whole"),
        "{errors}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), store.export());
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    // A copy is not made again.
    let found = || {
        let files = WalkDir::new(&copies).into_iter().map(Result::unwrap);
        let files = files.filter(|it| it.file_type().is_file());
        let mut stamps: Vec<_> = files
            .map(|it| {
                (
                    it.path().to_owned(),
                    it.metadata().unwrap().modified().unwrap(),
                )
            })
            .collect();
        stamps.sort();
        stamps
    };
    let before = found();
    assert_eq!(before.len(), 2);
    run(store.command(&arguments));
    assert_eq!(found(), before);
    // A database without the schema is not exported.
    let empty = Store::create(Kind::Sqlite).await;
    let (code, out, errors) = run(empty.command(&["export"]));
    assert_eq!((code, out.as_str()), (1, ""), "{errors}");
    assert_eq!(fs::read_dir(empty.folder.path()).unwrap().count(), 0);
}
