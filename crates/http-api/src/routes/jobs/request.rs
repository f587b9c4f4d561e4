//! The body of a request that makes a job.

use chrono_tz::Tz;
use domain::{
    Confidence, ImageId, JobAction, JobFilter, JobKind, JobRequest, LabelFilter, MAX_IDS,
    ShownNames, Threshold, TimeWindow, service::Catalog,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::image_tags::{self, AddedTagBody};
use crate::{
    json_body::{JsonBody, Member},
    problem::{Code, Problem},
    queries,
};

/// A job to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub(crate) struct NewJobBody {
    /// What is done: `retag`, `edit`, `delete` or `vocabulary`, which takes a key with the scope `admin`.
    #[schema(example = "edit")]
    kind: String,
    /// The images.
    #[serde(default)]
    filter: JobFilterBody,
    /// `retag`: the names of the tag providers, separated by commas. Without it all of them tag.
    #[schema(nullable = false, example = "imagga")]
    provider: Option<String>,
    /// `retag`: the lowest confidence of the provider's tags, inclusive; it is kept with each image. Without it, the one
    /// that is kept with the image is used.
    #[schema(minimum = 0, maximum = 100, nullable = false, example = 60)]
    min_confidence: Option<f64>,
    /// `edit`: tags to add.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["carrot", {"tag": "cat", "confidence": 90}]))]
    add: Vec<AddedTagBody>,
    /// `edit`: names of tags to remove.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["dog"]))]
    remove: Vec<String>,
    /// Whether nothing is changed, and the result only counts what would be.
    #[serde(default)]
    dry_run: bool,
    /// How many images the filter must find; else nothing is made.
    #[schema(nullable = false, example = 12)]
    pub(super) expected: Option<u64>,
}

/// A job that is asked for, with names that are not yet those of labels.
pub(super) struct AskedJob {
    action: JobAction,
    labels: LabelFilter,
    window: TimeWindow,
    ids: Option<Vec<ImageId>>,
    dry_run: bool,
}

impl AskedJob {
    /// Replaces names by the labels that they name: in the filter as in a list of images, in an edit only those of the
    /// language that is shown.
    pub(super) async fn resolve(
        self,
        catalog: &Catalog,
        shown: &ShownNames,
    ) -> Result<JobRequest, Problem> {
        let labels = catalog.resolve(self.labels.clone(), shown).await?;
        let action = match &self.action {
            JobAction::Edit(edit) if !shown.are_labels() => {
                let texts: Vec<_> = edit.labels().collect();
                let named = catalog.labels_named(&texts, shown).await?;
                let edit = edit.clone().with_labels(&named);
                JobAction::Edit(edit.map_err(|error| wrong(error.to_string()))?)
            }
            action => action.clone(),
        };
        Ok(Self {
            action,
            labels,
            ..self
        }
        .into_request())
    }

    fn into_request(self) -> JobRequest {
        JobRequest {
            action: self.action,
            filter: JobFilter::new(self.labels.within(self.window), self.ids),
            dry_run: self.dry_run,
        }
    }
}

/// Which images a job is for. Without any member, or with `all`, it is for all of them.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobFilter)]
pub(crate) struct JobFilterBody {
    /// A search, as in `GET /images`.
    #[schema(nullable = false, example = "cat>=80 -dog")]
    q: Option<String>,
    /// Names of tags, as in `GET /images`.
    #[schema(nullable = false, example = "car,motor vehicle")]
    tags: Option<String>,
    /// Names of tags, as in `GET /images`.
    #[schema(nullable = false, example = "car,bicycle")]
    any_tags: Option<String>,
    /// Names of tags, as in `GET /images`.
    #[schema(nullable = false, example = "person")]
    not_tags: Option<String>,
    /// The confidence from which on a tag counts, as in `GET /images`.
    #[schema(minimum = 0, maximum = 100, nullable = false, example = 80)]
    min_confidence: Option<f64>,
    /// The earliest date of registration, as in `GET /images`.
    #[schema(nullable = false, example = "2024-01-11 08:00:00")]
    min_date: Option<String>,
    /// The latest date of registration, as in `GET /images`.
    #[schema(nullable = false, example = "2024-12-31 23:59:59")]
    max_date: Option<String>,
    /// Ids of images; beside other conditions, those of them that match.
    #[schema(max_items = 10_000, nullable = false, example = json!(["7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777"]))]
    ids: Option<Vec<String>>,
    /// `true`: all images. `edit` and `delete` ask for it where there is no condition; `delete` takes a key with the scope
    /// `admin` then.
    #[schema(nullable = false, example = false)]
    all: Option<bool>,
}

impl JsonBody for NewJobBody {
    const EXPECTED: &str = "an object with `kind` and, if need be, `filter` (an object with `q`, `tags`, `any_tags`, \
                            `not_tags`, `min_confidence`, `min_date`, `max_date`, `ids`, `all`), `provider`, \
                            `min_confidence`, `add`, `remove`, `dry_run` and `expected`";
    const MEMBERS: &'static [Member] = &[
        Member::Text("kind"),
        Member::OptionalObject("filter"),
        Member::OptionalText("provider"),
        Member::OptionalNumber("min_confidence"),
        Member::OptionalArray("add"),
        Member::OptionalArray("remove"),
        Member::OptionalFlag("dry_run"),
        Member::OptionalCount("expected"),
    ];
    const IS_SECRET: bool = false;
}

impl NewJobBody {
    /// Validates the body; dates are read in a time zone.
    pub(super) fn asked(&self, zone: Tz) -> Result<AskedJob, Problem> {
        let kind = self.kind()?;
        self.refuse_others(kind)?;
        let (labels, window, ids) = self.filter.read(zone)?;
        let filter = JobFilter::new(labels.clone().within(window), ids.clone());
        let takes_all = matches!(kind, JobKind::Retag | JobKind::Vocabulary);
        if !takes_all && !self.filter.is_all() && filter.is_everything() {
            return Err(wrong(format!(
                "a job of kind `{}` needs a condition in `filter`, or `\"all\": true`",
                kind.as_str()
            )));
        }
        let action = match kind {
            JobKind::Delete => JobAction::Delete,
            JobKind::Vocabulary => JobAction::Vocabulary,
            JobKind::Features => JobAction::Features,
            JobKind::Edit => self.edit()?,
            JobKind::Retag => JobAction::Retag {
                provider: self.provider.clone(),
                threshold: self.threshold()?,
            },
        };
        Ok(AskedJob {
            action,
            labels,
            window,
            ids,
            dry_run: self.dry_run,
        })
    }

    /// Whether only an administrator may make it: one that deletes all images, or applies the vocabulary.
    pub(super) fn is_for_administrators(&self) -> bool {
        self.kind == JobKind::Vocabulary.as_str()
            || self.kind == JobKind::Delete.as_str() && self.filter.is_all()
    }

    fn kind(&self) -> Result<JobKind, Problem> {
        let kind = JobKind::from_name(&self.kind).filter(|kind| !kind.is_internal());
        kind.ok_or_else(|| {
            let kinds = JobKind::ALL.into_iter().filter(|kind| !kind.is_internal());
            let kinds: Vec<&str> = kinds.map(JobKind::as_str).collect();
            let kinds = kinds.join("`, `");
            wrong(format!("`kind` is not one of `{kinds}`"))
        })
    }

    /// Refuses members of other kinds: what was meant is not known.
    fn refuse_others(&self, kind: JobKind) -> Result<(), Problem> {
        let given = [
            ("provider", self.provider.is_some(), JobKind::Retag),
            (
                "min_confidence",
                self.min_confidence.is_some(),
                JobKind::Retag,
            ),
            ("add", !self.add.is_empty(), JobKind::Edit),
            ("remove", !self.remove.is_empty(), JobKind::Edit),
        ];
        let foreign = given
            .iter()
            .find(|(_, is_given, of)| *is_given && *of != kind);
        foreign.map_or(Ok(()), |(name, ..)| {
            let kind = kind.as_str();
            Err(wrong(format!("a job of kind `{kind}` takes no `{name}`")))
        })
    }

    fn edit(&self) -> Result<JobAction, Problem> {
        let edit = image_tags::edit(&self.add, &self.remove)?;
        if edit.is_empty() {
            let detail = "a job of kind `edit` needs tags in `add` or in `remove`";
            return Err(wrong(detail.to_owned()));
        }
        Ok(JobAction::Edit(edit))
    }

    fn threshold(&self) -> Result<Option<Threshold>, Problem> {
        let lowest = self.min_confidence.map(Confidence::new).transpose();
        let lowest = lowest
            .map_err(|_| wrong("`min_confidence` is not a number from 0 to 100".to_owned()))?;
        Ok(lowest.map(Threshold::new))
    }
}

impl JobFilterBody {
    fn is_all(&self) -> bool {
        self.all == Some(true)
    }

    fn read(&self, zone: Tz) -> Result<(LabelFilter, TimeWindow, Option<Vec<ImageId>>), Problem> {
        let parameters = self.parameters();
        if self.is_all() && (!parameters.is_empty() || self.ids.is_some()) {
            let detail = "`filter` has `\"all\": true` beside conditions";
            return Err(wrong(detail.to_owned()));
        }
        let (window, labels) = queries::job_filter(parameters, zone)?;
        let ids = self.ids.as_deref().map(ids).transpose()?;
        Ok((labels, window, ids))
    }

    /// The members that are parameters of `GET /images`.
    fn parameters(&self) -> Vec<(String, String)> {
        let lowest = self.min_confidence.map(|lowest| lowest.to_string());
        let all = [
            ("q", &self.q),
            ("tags", &self.tags),
            ("any_tags", &self.any_tags),
            ("not_tags", &self.not_tags),
            ("min_confidence", &lowest),
            ("min_date", &self.min_date),
            ("max_date", &self.max_date),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

fn ids(texts: &[String]) -> Result<Vec<ImageId>, Problem> {
    if texts.len() > MAX_IDS {
        let detail = format!("`ids` has more than {MAX_IDS} ids");
        return Err(wrong(detail).limit(MAX_IDS as u64));
    }
    let ids = texts.iter().map(|text| {
        let shown: String = text.chars().take(40).collect();
        text.parse()
            .map_err(|error| wrong(format!("`ids` has {shown:?}: {error}")))
    });
    ids.collect()
}

fn wrong(detail: String) -> Problem {
    Problem::new(Code::InvalidBody, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<JobRequest, Problem> {
        let body: NewJobBody = serde_json::from_value(body).unwrap();
        body.asked(chrono_tz::UTC).map(AskedJob::into_request)
    }

    #[test]
    fn everything_takes_a_word_for_changes() {
        assert!(read(json!({"kind": "retag"})).is_ok());
        for kind in ["delete", "edit"] {
            let with = |filter: Value| {
                let mut body = json!({"kind": kind, "filter": filter});
                if kind == "edit" {
                    body["add"] = json!(["a"]);
                }
                read(body)
            };
            assert!(with(json!({"all": true})).unwrap().filter.is_everything());
            assert!(with(json!({"tags": "a"})).is_ok());
            assert!(with(json!({"ids": []})).is_ok());
            for filter in [
                json!({}),
                json!({"all": false}),
                json!({"q": " "}),
                json!({"min_confidence": 50}),
                json!({"not_tags": ""}),
                json!({"all": true, "tags": "a"}),
                json!({"all": true, "ids": []}),
            ] {
                let problem = with(filter.clone()).unwrap_err();
                assert_eq!(problem.code(), Code::InvalidBody, "{filter}");
            }
        }
    }

    #[test]
    fn filters_are_read_as_parameters_are() {
        let filter = json!({
            "q": "cat>=80", "tags": "a,b", "any_tags": "c,d", "not_tags": "e", "min_confidence": 69.5,
            "min_date": "2024-01-01", "max_date": "2024-12-31",
            "ids": ["7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777"],
        });
        let job = read(json!({"kind": "delete", "filter": filter})).unwrap();
        let list = "q=cat%3E%3D80&tags=a,b&any_tags=c,d&not_tags=e&min_confidence=69.5&\
                    min_date=2024-01-01&max_date=2024-12-31";
        let list = queries::images(list, chrono_tz::UTC).unwrap();
        assert_eq!(job.filter.query, list.labels.within(list.window));
        assert_eq!(job.filter.ids.unwrap().len(), 1);
    }

    fn mistakes() -> Vec<(Value, Code, &'static str)> {
        vec![
            (
                json!({"kind": "paint"}),
                Code::InvalidBody,
                "`kind` is not one of",
            ),
            (
                json!({"kind": "vocabulary", "min_confidence": 50}),
                Code::InvalidBody,
                "takes no `min_confidence`",
            ),
            (
                json!({"kind": "retag", "add": ["a"]}),
                Code::InvalidBody,
                "takes no `add`",
            ),
            (
                json!({"kind": "edit", "filter": {"tags": "a"}}),
                Code::InvalidBody,
                "needs tags",
            ),
            (
                json!({"kind": "edit", "filter": {"tags": "a"}, "add": ["x"], "provider": "p"}),
                Code::InvalidBody,
                "takes no `provider`",
            ),
            (
                json!({"kind": "retag", "min_confidence": 101}),
                Code::InvalidBody,
                "0 to 100",
            ),
            (
                json!({"kind": "retag", "filter": {"q": "("}}),
                Code::InvalidQuery,
                "`q`",
            ),
            (
                json!({"kind": "retag", "filter": {"min_date": "x"}}),
                Code::InvalidParameter,
                "`min_date`",
            ),
            (
                json!({"kind": "retag", "filter": {"min_confidence": -1}}),
                Code::InvalidParameter,
                "`min_confidence`",
            ),
            (
                json!({"kind": "delete", "filter": {"ids": ["x"]}}),
                Code::InvalidBody,
                "\"x\"",
            ),
            (
                json!({"kind": "delete", "filter": {"ids": vec!["x"; 10_001]}}),
                Code::InvalidBody,
                "more than 10000 ids",
            ),
        ]
    }

    #[test]
    fn mistakes_are_named() {
        for (body, code, part) in mistakes() {
            let problem = read(body.clone()).unwrap_err();
            assert_eq!(problem.code(), code, "{body}");
            assert!(problem.to_string().contains(part), "{problem}");
        }
    }
}
