//! Prints findings, as JSON or as lines of text.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use domain::service::{Finding, FindingKind, Summary};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use crate::cli::exit::plain;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// One JSON object a line, including the summary.
    Json,
    /// One line for each finding; the summary goes to standard error.
    Lines,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    finding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    detail: &'a str,
    repaired: bool,
}

#[derive(Serialize)]
struct JsonEnd {
    summary: JsonSummary,
}

#[derive(Serialize)]
struct JsonSummary {
    labels: u64,
    images: u64,
    taggings: u64,
    originals: u64,
    bytes: u64,
    segments: u64,
    objects: u64,
    findings: BTreeMap<&'static str, u64>,
    repaired: u64,
    left: u64,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Lines }
    }

    pub(super) fn finding(self, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Json => writeln!(out, "{}", json(finding)?)?,
            Self::Lines => writeln!(out, "{}", line(finding))?,
        }
        out.flush()
    }

    pub(super) fn summary(
        self,
        summary: &Summary,
        out: &mut dyn Write,
        errors: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Json => {
                writeln!(out, "{}", json_end(summary)?)?;
                out.flush()
            }
            Self::Lines => writeln!(errors, "etiqueta: {}", end(summary)),
        }
    }
}

fn json(finding: &Finding) -> serde_json::Result<String> {
    serde_json::to_string(&JsonFinding {
        finding: finding.kind.as_str(),
        digest: finding.digest.map(|digest| digest.to_string()),
        image: finding.image.map(|image| image.to_string()),
        row: finding.row.as_deref(),
        file: finding.file.as_deref(),
        detail: &finding.detail,
        repaired: finding.is_repaired,
    })
}

fn json_end(summary: &Summary) -> serde_json::Result<String> {
    let findings = summary.findings.iter();
    let summary = JsonSummary {
        labels: summary.labels,
        images: summary.images,
        taggings: summary.taggings,
        originals: summary.originals,
        bytes: summary.bytes,
        segments: summary.segments,
        objects: summary.objects,
        findings: findings.map(|(kind, n)| (kind.as_str(), *n)).collect(),
        repaired: summary.repaired,
        left: summary.left,
    };
    serde_json::to_string(&JsonEnd { summary })
}

/// The finding's name, its subject, and the problem.
fn line(finding: &Finding) -> String {
    let digest = finding.digest.map(|digest| digest.to_string());
    let image = finding.image.map(|image| format!("image {image}"));
    // The name of an image row contains the image's id.
    let image = image.filter(|_| finding.row.is_none());
    let names = [finding.row.clone(), finding.file.clone(), digest, image];
    let about: Vec<String> = names.into_iter().flatten().collect();
    let repaired = match finding.kind {
        _ if !finding.is_repaired => "",
        FindingKind::WrongStatistics => "; repaired",
        _ => "; moved into the quarantine",
    };
    let (kind, about, detail) = (finding.kind, about.join(", "), &finding.detail);
    plain(&format!("{kind}: {about}: {detail}{repaired}"))
}

fn end(summary: &Summary) -> String {
    let counted = |count: u64, what: &str| format!("{} {what}", HumanCount(count));
    let mut checked = vec![
        counted(summary.images, "images"),
        counted(summary.originals, "originals"),
        counted(summary.objects, "stored objects"),
        counted(summary.labels, "labels"),
        counted(summary.taggings, "taggings"),
    ];
    if summary.bytes > 0 {
        checked.push(format!("{} read", HumanBytes(summary.bytes)));
    }
    let verdict = match (summary.left, summary.repaired) {
        (0, 0) => "all is sound".to_owned(),
        (left, repaired) => format!("{repaired} repaired, {left} left"),
    };
    format!("{verdict} ({})", checked.join(", "))
}

#[cfg(test)]
mod tests {
    use domain::{
        ContentDigest, ImageId,
        service::{Event, FindingKind},
    };
    use domain_testing::at;
    use serde_json::{Value, json};

    use super::*;

    fn finding(kind: FindingKind) -> Finding {
        Finding {
            kind,
            digest: None,
            image: None,
            row: None,
            file: None,
            detail: "so it is\nindeed".to_owned(),
            is_repaired: false,
        }
    }

    fn written(output: Output, finding: &Finding) -> String {
        let mut out = Vec::new();
        output.finding(finding, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_finding_is_one_line() {
        let (digest, image) = (ContentDigest::of(b"x"), ImageId::new(at(0)));
        let original = Finding {
            digest: Some(digest),
            image: Some(image),
            ..finding(FindingKind::MissingOriginal)
        };
        assert_eq!(
            written(Output::Lines, &original),
            format!("missing-original: {digest}, image {image}: so it is indeed\n")
        );
        let line: Value = serde_json::from_str(&written(Output::Json, &original)).unwrap();
        let expected = json!({
            "finding": "missing-original", "digest": digest.to_string(),
            "image": image.to_string(), "detail": "so it is\nindeed", "repaired": false,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn rows_and_files_go_by_their_names() {
        let row = Finding {
            row: Some("etiqueta_label 7".to_owned()),
            ..finding(FindingKind::UnreadableRow)
        };
        let line = written(Output::Lines, &row);
        assert_eq!(line, "unreadable-row: etiqueta_label 7: so it is indeed\n");
        let file = Finding {
            file: Some("a\u{1b}[2Jb.jpg".to_owned()),
            ..finding(FindingKind::ForeignFile)
        };
        let line = written(Output::Lines, &file);
        assert_eq!(line, "foreign-file: a [2Jb.jpg: so it is indeed\n");
    }

    #[test]
    fn summary_has_counts() {
        let mut summary = Summary {
            images: 1200,
            bytes: 2048,
            ..Summary::default()
        };
        let printed = |summary: &Summary, output: Output| {
            let (mut out, mut errors) = (Vec::new(), Vec::new());
            output.summary(summary, &mut out, &mut errors).unwrap();
            [out, errors].map(|text| String::from_utf8(text).unwrap())
        };
        let [out, errors] = printed(&summary, Output::Lines);
        assert_eq!(out, "");
        assert_eq!(
            errors,
            "etiqueta: all is sound (1,200 images, 0 originals, 0 stored objects, 0 labels, \
             0 taggings, 2.00 KiB read)\n"
        );
        let moved = Finding {
            is_repaired: true,
            ..finding(FindingKind::UnreferencedOriginal)
        };
        for finding in [moved, finding(FindingKind::AlteredOriginal)] {
            summary.note(&Event::Found(finding));
        }
        let [_, errors] = printed(&summary, Output::Lines);
        assert!(
            errors.starts_with("etiqueta: 1 repaired, 1 left ("),
            "{errors}"
        );
        let [out, errors] = printed(&summary, Output::Json);
        assert_eq!(errors, "");
        let summary = &serde_json::from_str::<Value>(&out).unwrap()["summary"];
        let findings = json!({"unreferenced-original": 1, "altered-original": 1});
        assert_eq!(summary["findings"], findings);
        assert_eq!(
            (&summary["repaired"], &summary["left"]),
            (&json!(1), &json!(1))
        );
    }
}
