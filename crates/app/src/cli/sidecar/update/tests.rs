//! Sidecars in folders.

use domain::{Confidence, Label, SourcedTag, Tag, TagSource};
use tempfile::TempDir;

use super::*;

fn wanted(names: &[&str]) -> Wanted {
    let labels: Vec<Label> = names.iter().map(|it| Label::parse(it).unwrap()).collect();
    let tags = labels.iter().map(|label| SourcedTag {
        tag: Tag {
            label: label.clone(),
            confidence: Confidence::new(90.0).unwrap(),
        },
        source: TagSource::Person,
    });
    Wanted {
        root: None,
        tags: tags.collect(),
        paths: labels.iter().map(|label| vec![label.clone()]).collect(),
    }
}

fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    folder
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn sidecar(subject: &str) -> Vec<u8> {
    xmp::merge(None, &wanted(&[subject])).unwrap().unwrap()
}

#[test]
fn a_new_sidecar_has_the_whole_name_and_a_second_run_changes_nothing() {
    let folder = folder(&["a.jpg"]);
    let picture = folder.path().join("a.jpg");
    assert_eq!(update(&picture, &wanted(&[])).unwrap(), Updated::Unchanged);
    assert_eq!(names(&folder), ["a.jpg"]);
    let path = folder.path().join("a.jpg.xmp");
    let written = update(&picture, &wanted(&["cat"])).unwrap();
    assert_eq!(written, Updated::Written(path.clone()));
    let before = fs::metadata(&path).unwrap();
    let again = update(&picture, &wanted(&["cat"])).unwrap();
    assert_eq!(again, Updated::Unchanged);
    assert_eq!(version(&fs::metadata(&path).unwrap()), version(&before));
    assert_eq!(names(&folder), ["a.jpg", "a.jpg.xmp"]);
}

#[test]
fn a_sidecar_of_one_picture_is_changed_and_keeps_its_permissions() {
    let folder = folder(&["a.jpg", "a.jpg.txt"]);
    let (picture, path) = (folder.path().join("a.jpg"), folder.path().join("a.xmp"));
    fs::write(&path, sidecar("sea")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let written = update(&picture, &wanted(&["sea", "cat"])).unwrap();
    assert_eq!(written, Updated::Written(path.clone()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn a_sidecar_of_several_pictures_is_not_changed() {
    let folder = folder(&["a.jpg", "a.heic"]);
    let (picture, shared) = (folder.path().join("a.jpg"), folder.path().join("a.xmp"));
    fs::write(&shared, sidecar("sea")).unwrap();
    let own = folder.path().join("a.jpg.xmp");
    let written = update(&picture, &wanted(&["sea", "cat"])).unwrap();
    assert_eq!(written, Updated::Written(own.clone()));
    assert_eq!(fs::read(&shared).unwrap(), sidecar("sea"));
    let text = fs::read_to_string(&own).unwrap();
    assert!(text.contains("sea") && text.contains("cat"), "{text}");
}

#[test]
fn what_must_not_be_written_is_told_and_left() {
    let folder = folder(&["a.jpg", "b.jpg", "c.jpg"]);
    let place = |name: &str| folder.path().join(name);
    fs::write(place("a.jpg.xmp"), sidecar("sea")).unwrap();
    fs::set_permissions(place("a.jpg.xmp"), Permissions::from_mode(0o444)).unwrap();
    std::os::unix::fs::symlink(place("a.jpg.xmp"), place("b.jpg.xmp")).unwrap();
    fs::write(place("c.jpg.xmp"), "<a").unwrap();
    let told = |name: &str| update(&place(name), &wanted(&["cat"])).unwrap_err();
    assert!(matches!(told("a.jpg"), UpdateError::ReadOnlyFile { .. }));
    assert!(matches!(told("b.jpg"), UpdateError::Link { .. }));
    assert!(matches!(told("c.jpg"), UpdateError::Xmp { .. }));
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    fs::write(place("c.jpg.xmp"), sidecar("sea")).unwrap();
    let error = told("c.jpg");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(
        matches!(error, UpdateError::ReadOnlyFolder { .. }),
        "{error}"
    );
    assert_eq!(fs::read(place("c.jpg.xmp")).unwrap(), sidecar("sea"));
}

#[test]
fn a_sidecar_that_changed_meanwhile_is_not_replaced() {
    let folder = folder(&["a.jpg"]);
    let (picture, path) = (folder.path().join("a.jpg"), folder.path().join("a.jpg.xmp"));
    fs::write(&path, sidecar("sea")).unwrap();
    let (_, before) = sidecar_files::read(&path).unwrap();
    fs::write(&path, sidecar("boat")).unwrap();
    assert!(!write(&path, &picture, Some(&before), b"new").unwrap());
    assert!(!write(&path, &picture, None, b"new").unwrap());
    assert_eq!(fs::read(&path).unwrap(), sidecar("boat"));
    assert_eq!(names(&folder), ["a.jpg", "a.jpg.xmp"]);
}

#[test]
fn unfinished_files_of_killed_runs_are_removed() {
    let folder = folder(&[".etiqueta-1.xmp.tmp", ".etiqueta-2.xmp.tmp", "a.xmp.tmp"]);
    let old = folder.path().join(".etiqueta-1.xmp.tmp");
    let past = SystemTime::now() - 2 * ABANDONED;
    File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(past)
        .unwrap();
    assert!(sweep(&old));
    assert!(sweep(&folder.path().join(".etiqueta-2.xmp.tmp")));
    assert!(!sweep(&folder.path().join("a.xmp.tmp")));
    assert_eq!(names(&folder), [".etiqueta-2.xmp.tmp", "a.xmp.tmp"]);
}
