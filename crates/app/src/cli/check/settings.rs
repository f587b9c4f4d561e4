//! `etiqueta check --settings`: what the server runs on, and what is known to hurt there.

mod database;
mod machine;
mod tagger;

use std::io::{self, Write};

use serde::Serialize;

use crate::{cli::exit::plain, settings::Settings};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// As it should be.
    Ok,
    /// It works, and will hurt.
    Warning,
    /// It does not work.
    Error,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            detail: detail.into(),
            advice: None,
        }
    }

    fn warning(check: &'static str, detail: impl Into<String>, advice: &'static str) -> Self {
        Self {
            level: Level::Warning,
            advice: Some(advice),
            ..Self::ok(check, detail)
        }
    }

    fn error(check: &'static str, detail: impl Into<String>, advice: &'static str) -> Self {
        Self {
            level: Level::Error,
            ..Self::warning(check, detail, advice)
        }
    }
}

/// Checks everything and prints a line for each; returns whether all of it is as it should be.
pub(super) async fn run(json: bool, settings: &Settings) -> anyhow::Result<bool> {
    let mut is_sound = true;
    let mut print = |findings: Vec<Finding>| -> anyhow::Result<()> {
        for finding in findings {
            is_sound &= finding.level == Level::Ok;
            write(&finding, json, &mut io::stdout().lock())?;
        }
        Ok(())
    };
    print(database::findings(settings).await)?;
    print(machine::findings(settings).await)?;
    print(vec![tagger::finding(settings).await])?;
    Ok(is_sound)
}

fn write(finding: &Finding, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(finding)?)?;
        return Ok(());
    }
    let level = match finding.level {
        Level::Ok => "ok     ",
        Level::Warning => "WARNING",
        Level::Error => "ERROR  ",
    };
    let detail = plain(&finding.detail);
    writeln!(out, "{level} {}: {detail}", finding.check)?;
    if let Some(advice) = finding.advice {
        writeln!(out, "        {advice}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_advice_another() {
        let text = |finding: &Finding, json| {
            let mut out = Vec::new();
            write(finding, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let good = Finding::ok("clock", "0.1 s apart");
        assert_eq!(text(&good, false), "ok      clock: 0.1 s apart\n");
        assert_eq!(
            text(&good, true),
            "{\"check\":\"clock\",\"level\":\"ok\",\"detail\":\"0.1 s apart\"}\n"
        );
        let bad = Finding::error("space", "none\nleft", "make room");
        assert_eq!(
            text(&bad, false),
            "ERROR   space: none left\n        make room\n"
        );
    }
}
