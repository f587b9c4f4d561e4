//! The subset of `searchQuery` needed for clean-up: conditions joined by `AND`.

use std::cmp::Ordering;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use crate::clock;
use crate::imagekit::library::File;
use crate::imagekit::upload::clean_folder;

/// Conditions that must all hold.
#[derive(Debug)]
pub(crate) struct Search {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    CreatedAt(Comparison, DateTime<Utc>),
    UpdatedAt(Comparison, DateTime<Utc>),
    Name(String),
    /// The folder itself.
    Folder(String),
    /// The folder and all below it.
    FolderTree(String),
    Tagged(Vec<String>),
    /// Always true here: the library contains only files.
    IsFile,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Two characters first, so that `<=` is not parsed as `<`.
const OPERATORS: [&str; 7] = ["<=", ">=", "<", ">", "=", ":", " IN "];

impl Search {
    /// `None` for anything unsupported: a wrong query must not pass for an empty one.
    pub(crate) fn parse(query: &str) -> Option<Self> {
        let conditions = query
            .split(" AND ")
            .map(Condition::parse)
            .collect::<Option<_>>()?;
        Some(Self { conditions })
    }

    pub(crate) fn matches(&self, file: &File) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.holds(file))
    }
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let (position, operator) = OPERATORS
            .iter()
            .filter_map(|operator| text.find(operator).map(|position| (position, *operator)))
            .min_by_key(|(position, operator)| (*position, std::cmp::Reverse(operator.len())))?;
        let field = text.get(..position)?.trim();
        let value = text.get(position + operator.len()..)?.trim();
        match (field, operator) {
            ("createdAt", _) => Some(Self::CreatedAt(Comparison::parse(operator)?, time(value)?)),
            ("updatedAt", _) => Some(Self::UpdatedAt(Comparison::parse(operator)?, time(value)?)),
            ("name", "=") => Some(Self::Name(quoted(value)?.to_owned())),
            ("path", "=") => clean_folder(quoted(value)?).map(Self::Folder),
            ("path", ":") => clean_folder(quoted(value)?).map(Self::FolderTree),
            ("type", "=") => (quoted(value)? == "file").then_some(Self::IsFile),
            ("tags", " IN ") => list(value).map(Self::Tagged),
            _ => None,
        }
    }

    fn holds(&self, file: &File) -> bool {
        match self {
            Self::CreatedAt(comparison, time) => comparison.holds(file.created_at.cmp(time)),
            Self::UpdatedAt(comparison, time) => comparison.holds(file.updated_at.cmp(time)),
            Self::Name(name) => file.name == *name,
            Self::Folder(folder) => file.folder == *folder,
            Self::FolderTree(folder) => {
                let below = format!("{}/", folder.trim_end_matches('/'));
                file.folder == *folder || file.folder.starts_with(&below)
            }
            Self::Tagged(wanted) => file
                .tags
                .iter()
                .flatten()
                .any(|tag| wanted.iter().any(|name| name == tag)),
            Self::IsFile => true,
        }
    }
}

impl Comparison {
    fn parse(operator: &str) -> Option<Self> {
        match operator {
            "<" => Some(Self::Less),
            "<=" => Some(Self::LessOrEqual),
            ">" => Some(Self::Greater),
            ">=" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn quoted(value: &str) -> Option<&str> {
    let inside = |mark| {
        value
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark))
    };
    inside('"').or_else(|| inside('\''))
}

fn list(value: &str) -> Option<Vec<String>> {
    let items = value.strip_prefix('[')?.strip_suffix(']')?.split(',');
    items
        .map(|item| quoted(item.trim()).map(str::to_owned))
        .collect()
}

/// A date, an instant, or an age such as `1h`, `7d`, `2w`, relative to now.
fn time(value: &str) -> Option<DateTime<Utc>> {
    let text = quoted(value)?;
    let instant = DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc());
    let date = || {
        Some(
            text.parse::<NaiveDate>()
                .ok()?
                .and_hms_opt(0, 0, 0)?
                .and_utc(),
        )
    };
    instant.or_else(date).or_else(|| age(text).map(clock::ago))
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    count.checked_mul(seconds).map(Duration::from_secs)
}
