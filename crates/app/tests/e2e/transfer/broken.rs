//! Exports that are not whole, do not fit, or are not all there.

use super::*;

/// Nothing is made of a file that is not whole, and the line that is wrong is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_before_anything_is_made() {
    let (folder, file, originals) = export_of(3).await;
    let whole = fs::read_to_string(&file).unwrap();
    let store = Store::create(Kind::Sqlite).await;
    let broken = folder.path().join("broken.jsonl");
    let cut = &whole[..whole.len() / 2];
    for (content, reason) in [
        (String::new(), "it is empty"),
        ("id;tag\n1;cat\n".to_owned(), "it is no export of Etiqueta"),
        (
            whole.replacen("\"version\":1", "\"version\":9", 1),
            "version 9 of the format",
        ),
        (cut.to_owned(), "it is truncated"),
        (
            whole.replacen("image/jpeg", "image/avif", 1),
            "line 2: \"image/avif\" is no known media type",
        ),
        (
            whole.replacen("\"width\":64", "\"width\":65", 1),
            "its checksum does not fit",
        ),
    ] {
        fs::write(&broken, &content).unwrap();
        let arguments = [
            "import",
            "--from-export",
            text(&broken),
            "--originals",
            text(&originals),
        ];
        let (code, out, errors) = run(store.command(&arguments));
        assert_eq!((code, out.as_str()), (1, ""), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(reason), "{errors}");
        assert!(errors.contains("broken.jsonl: "), "{errors}");
        assert!(errors.contains("; nothing was imported"), "{errors}");
    }
    assert_eq!(fs::read_dir(store.folder.path()).unwrap().count(), 0);
    for (arguments, reason) in [
        (
            &["import", "--from-export", "none"][..],
            "none: it cannot be read: No such file",
        ),
        (
            &["import", "--from-export", ".", "--originals", "none"],
            "there is no folder none",
        ),
    ] {
        let (code, _, errors) = run(store.command(arguments));
        assert!(code > 0 && errors.contains(reason), "{errors}");
    }
}

/// From standard input what came before the break is kept, and a second import goes on.
#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_imported_as_it_comes() {
    let (folder, file, originals) = export_of(10).await;
    let store = Store::create(Kind::Sqlite).await;
    let import = |content: &str, more: &[&str]| {
        let path = folder.path().join("input");
        fs::write(&path, content).unwrap();
        let arguments = [
            "import",
            "--from-export",
            "-",
            "--originals",
            text(&originals),
        ];
        let mut command = store.command(&[&arguments[..], more].concat());
        command.stdin(fs::File::open(path).unwrap());
        run(command)
    };
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    // Before the answers.
    let cut = format!("{}\n{{\"kind\":", lines[..11].join("\n"));
    let (code, out, errors) = import(&cut, &[]);
    assert_eq!(code, 1, "{out}{errors}");
    assert!(errors.contains("-: it is truncated"), "{errors}");
    assert!(
        errors.contains("what came before it was imported"),
        "{errors}"
    );
    let (code, _, errors) = import(&whole, &[]);
    assert_eq!(code, 1);
    assert!(
        errors.contains("cannot be seen on standard input"),
        "{errors}"
    );
    let (code, out, errors) = import(&whole, &["--merge"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert_eq!(store.export(), whole);
}

/// What is missing is told, and brought later; what is different is told and stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_told_in_its_line() {
    let (folder, file, originals) = export_of(5).await;
    let store = Store::create(Kind::Mysql).await;
    let import = |file: &Path, more: &[&str]| {
        let arguments = [
            "import",
            "--json",
            "--from-export",
            text(file),
            "--originals",
            text(&originals),
        ];
        let (code, out, errors) = run(store.command(&[&arguments[..], more].concat()));
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        (code, lines.collect::<Vec<Value>>(), errors)
    };
    let files = WalkDir::new(&originals).into_iter().map(Result::unwrap);
    let mut files: Vec<PathBuf> = files
        .filter(|it| it.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    let (moved, spoilt) = (folder.path().join("moved"), fs::read(&files[1]).unwrap());
    fs::rename(&files[0], &moved).unwrap();
    fs::write(&files[1], vec![7; spoilt.len()]).unwrap();
    let (code, lines, errors) = import(&file, &[]);
    assert_eq!(code, 1);
    assert!(errors.contains("2 records were not imported"), "{errors}");
    let summary = lines.last().unwrap();
    assert_eq!(counts(&summary["summary"]["images"]), [3, 0, 1, 1]);
    for (result, reason) in [("left_out", "is missing"), ("failed", "was altered")] {
        let line = lines.iter().find(|line| line["result"] == result).unwrap();
        assert!(line["error"].as_str().unwrap().contains(reason), "{line}");
        assert!((2..=6).contains(&line["line"].as_u64().unwrap()), "{line}");
    }
    fs::rename(&moved, &files[0]).unwrap();
    fs::write(&files[1], spoilt).unwrap();
    let (code, lines, errors) = import(&file, &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        counts(&lines.last().unwrap()["summary"]["images"]),
        [2, 3, 0, 0]
    );
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(store.export(), whole);

    // Edited since.
    let edited = whole.replacen("\"tags_version\":0", "\"tags_version\":1", 1);
    let at = edited.find(",\"sha256\"").unwrap();
    fs::write(&file, format!("{}}}\n", &edited[..at])).unwrap();
    let (code, lines, _) = import(&file, &[]);
    assert_eq!(code, 1);
    assert_eq!(
        counts(&lines.last().unwrap()["summary"]["images"]),
        [0, 4, 0, 1]
    );
    let error = lines[0]["error"].as_str().unwrap();
    assert!(
        error.contains("it is there already with another content"),
        "{error}"
    );
    assert_eq!(store.export(), whole, "it stays as it is");
}

/// Exports are not mixed up unless that is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn another_store_is_refused_without_merge() {
    let (_folder, file, originals) = export_of(3).await;
    let mut server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(200), "").await;
    let store = Store::of(&mut server);
    let before = store.export();
    let arguments = [
        "import",
        "--from-export",
        text(&file),
        "--originals",
        text(&originals),
    ];
    let (code, _, errors) = run(store.command(&arguments));
    assert_eq!(code, 1);
    assert!(
        errors.contains("1 images that are not in the export"),
        "{errors}"
    );
    assert!(errors.contains("--merge"), "{errors}");
    assert_eq!(store.export(), before);
    let summary = store.import(&file, &["--originals", text(&originals), "--merge"]);
    assert_eq!(counts(&summary["images"]), [3, 0, 0, 0]);
    // Nor vocabularies.
    let other = Store::create(Kind::Sqlite).await;
    let words = other.folder.path().join("words");
    fs::write(&words, "cow\n").unwrap();
    other.done(&["migrate"]);
    let (code, _, errors) = run(other.command(&["vocabulary", "import", text(&words)]));
    assert_eq!(code, 0, "{errors}");
    let (code, _, errors) = run(other.command(&arguments));
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("a vocabulary already, with the tag \"cow\""),
        "{errors}"
    );
}
