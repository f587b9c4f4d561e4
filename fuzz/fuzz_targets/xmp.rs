//! Sidecars and pictures with keywords: what is read is bounded, and merging loses nothing.
#![no_main]

use domain::{Confidence, Label, SourcedTag, Tag, TagSource};
use libfuzzer_sys::fuzz_target;
use xmp::{Keywords, Wanted, embedded, merge, read};

fuzz_target!(|input: &[u8]| {
    // The first byte chooses which tags are merged.
    let Some((choice, file)) = input.split_first() else { return };
    let embedded = embedded(file);
    assert!(embedded.keywords.names.iter().all(|name| !name.is_empty()));
    let Ok(before) = read(file) else {
        assert!(merge(Some(file), &wanted(*choice)).is_err());
        return;
    };
    let merged = merge(Some(file), &wanted(*choice));
    let Ok(merged) = merged else { return };
    let merged = merged.unwrap_or_else(|| file.to_vec());
    check(&merged, &before);
    assert_eq!(merge(Some(&merged), &wanted(*choice)), Ok(None));
    // Taken back, all that others wrote is there.
    if let Ok(Some(back)) = merge(Some(&merged), &Wanted::default()) {
        check(&back, &before);
        assert!(read(&back).unwrap().written.is_empty());
    }
});

/// The keywords of others are what they were.
fn check(sidecar: &[u8], before: &Keywords) {
    let mut after = read(sidecar).unwrap().names;
    let mut before = before.names.clone();
    after.sort();
    before.sort();
    assert_eq!(after, before);
}

fn wanted(choice: u8) -> Wanted {
    let labels = ["cat", "animal", "ac/dc", "a|b", "<&>", "sea"].into_iter().enumerate();
    let labels = labels.filter(|(bit, _)| choice >> bit & 1 == 1);
    let labels: Vec<Label> = labels.map(|(_, name)| Label::parse(name).unwrap()).collect();
    let tags = labels.iter().map(|label| SourcedTag {
        tag: Tag { label: label.clone(), confidence: Confidence::new(50.0).unwrap() },
        source: if choice & 64 == 0 { TagSource::Person } else { TagSource::File },
    });
    let single = labels.iter().map(|label| vec![label.clone()]);
    Wanted {
        root: (choice & 128 != 0).then(|| "Auto".to_owned()),
        tags: tags.collect(),
        paths: single.chain([labels.clone()]).filter(|path| !path.is_empty()).collect(),
    }
}
