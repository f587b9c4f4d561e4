//! Query parameters, parsed strictly: a typo must not silently change a result.

pub(super) mod cursor;
mod dates;
mod names;
mod search;

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    Condition, Confidence, ImageOrder, Label, LabelFilter, PageKey, RenditionSize,
    RenditionSizeError, TagOrder, Threshold, TimeWindow,
};

use self::dates::Edge;
use super::problem::{Code, Problem};

/// How much of an unknown name is quoted, in characters.
const NAME_SHOWN: usize = 64;

/// The largest page, in images.
const MOST_IMAGES: u32 = 1000;

/// The first instant after a date: after its second, or after its day.
///
/// # Errors
/// What the text is not, as words that follow the name of its parameter or member.
pub(super) fn last_instant(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    dates::instant(text, Edge::Last, zone).map_err(|error| error.to_string())
}

/// The parameters of a request: each at most once, and none unknown.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query string apart, as forms write it (`application/x-www-form-urlencoded`).
    pub(super) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| {
                Problem::new(
                    Code::InvalidParameter,
                    "the name of a parameter is not percent-encoded UTF-8",
                )
            })?;
            if !known.contains(&name.as_str()) {
                let shown: String = name.chars().take(NAME_SHOWN).collect();
                return Err(Problem::parameter(
                    &shown,
                    "is not a parameter of this route",
                ));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Problem::parameter(&name, "is given more than once"));
            }
            let value = decode(value)
                .ok_or_else(|| Problem::parameter(&name, "is not percent-encoded UTF-8"))?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Takes parameters that came otherwise: each at most once, and none unknown.
    pub(super) fn from_pairs(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The window that `min_date` and `max_date` leave, read in a time zone.
    pub(super) fn window(&self, zone: chrono_tz::Tz) -> Result<TimeWindow, Problem> {
        Ok(TimeWindow {
            from: self.date("min_date", Edge::First, zone)?,
            until: self.date("max_date", Edge::Last, zone)?,
        })
    }

    fn date(
        &self,
        name: &str,
        edge: Edge,
        zone: chrono_tz::Tz,
    ) -> Result<Option<chrono::DateTime<chrono::Utc>>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        dates::parse(text, edge, zone).map_err(|error| Problem::parameter(name, error))
    }

    /// What `tags`, `any_tags` and `not_tags` ask for, and `min_confidence`.
    pub(super) fn labels(&self) -> Result<LabelFilter, Problem> {
        let mut filter = LabelFilter::default();
        if let Some(names) = self.names("tags")? {
            filter = filter.all_of(names.iter().map(String::as_str));
        }
        if let Some(names) = self.names("any_tags")? {
            filter = filter.any_of(names.iter().map(String::as_str));
        }
        if let Some(names) = self.names("not_tags")? {
            filter = filter.none_of(names.iter().map(String::as_str));
        }
        if let Some(threshold) = self.confidence()? {
            filter = filter.at_least(threshold);
        }
        Ok(filter)
    }

    /// What `q` searches for; `None` if it is blank or absent.
    pub(super) fn search(&self, zone: chrono_tz::Tz) -> Result<Option<Condition>, Problem> {
        let text = self.get("q").filter(|text| !text.trim().is_empty());
        let condition = text.map(|text| search::parse(text, zone)).transpose();
        condition.map_err(|error| {
            let detail = format!("`q` at character {}: {error}", error.position);
            Problem::new(Code::InvalidQuery, detail).position("q", error.position)
        })
    }

    /// The names that a parameter lists.
    fn names(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let names = self.get(name).map(names::parse).transpose();
        names.map_err(|error| Problem::parameter(name, error))
    }

    /// A parameter as it is written.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// The threshold of `min_confidence`.
    pub(super) fn confidence(&self) -> Result<Option<Threshold>, Problem> {
        let Some(text) = self.get("min_confidence") else {
            return Ok(None);
        };
        number(text)
            .and_then(|number| Confidence::new(number).ok())
            .map(|lowest| Some(Threshold::new(lowest)))
            .ok_or_else(|| Problem::parameter("min_confidence", "is not a number from 0 to 100"))
    }

    /// The most images of a page that `limit` asks for.
    pub(super) fn limit(&self) -> Result<Option<NonZeroU32>, Problem> {
        self.limit_up_to(MOST_IMAGES)
    }

    /// The most images that `limit` asks for, where they may be that many.
    pub(super) fn limit_up_to(&self, most: u32) -> Result<Option<NonZeroU32>, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        digits(text)
            .and_then(NonZeroU32::new)
            .filter(|limit| limit.get() <= most)
            .map(Some)
            .ok_or_else(|| {
                let why = format!("is not a whole number from 1 to {most}");
                Problem::parameter("limit", why)
            })
    }

    /// What the tags begin with.
    pub(super) fn prefix(&self) -> Option<&str> {
        self.get("prefix")
    }

    /// The order of tags.
    pub(super) fn tag_order(&self) -> Result<TagOrder, Problem> {
        match self.get("order") {
            None | Some("count") => Ok(TagOrder::Count),
            Some("name") => Ok(TagOrder::Name),
            Some(_) => Err(Problem::parameter("order", "is neither `count` nor `name`")),
        }
    }

    /// The order of images.
    pub(super) fn image_order(&self) -> Result<ImageOrder, Problem> {
        match self.get("order") {
            None | Some("registered") => Ok(ImageOrder::Registered),
            Some("taken") => Ok(ImageOrder::Taken),
            Some(_) => Err(Problem::parameter(
                "order",
                "is neither `registered` nor `taken`",
            )),
        }
    }

    /// Whether a parameter is `true`; without it `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::parameter(name, "is neither `true` nor `false`")),
        }
    }

    /// The longest side that `size` asks for.
    pub(super) fn size(&self) -> Result<RenditionSize, Problem> {
        let Some(text) = self.get("size") else {
            return Ok(RenditionSize::default());
        };
        whole(text)
            .ok_or(RenditionSizeError)
            .and_then(RenditionSize::new)
            .map_err(|error| Problem::parameter("size", error))
    }

    /// The number of the job after which the list of `cursor` goes on.
    pub(super) fn job_cursor(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(cursor::NAME) else {
            return Ok(None);
        };
        cursor::parse_job(text)
            .map(Some)
            .map_err(|error| Problem::parameter(cursor::NAME, error))
    }

    /// The tag after whose entry the list of `cursor` goes on.
    pub(super) fn tag_cursor(&self) -> Result<Option<Label>, Problem> {
        let Some(text) = self.get(cursor::NAME) else {
            return Ok(None);
        };
        cursor::parse_tag(text)
            .map(Some)
            .map_err(|error| Problem::parameter(cursor::NAME, error))
    }

    /// The tag that a parameter names.
    pub(super) fn label(&self, name: &str) -> Result<Option<Label>, Problem> {
        let label = self.get(name).map(Label::parse).transpose();
        label.map_err(|error| Problem::parameter(name, format!("is no tag: {error}")))
    }

    /// The place where the list of `cursor` goes on, which is in that order.
    pub(super) fn cursor(&self, order: ImageOrder) -> Result<Option<PageKey>, Problem> {
        let Some(text) = self.get(cursor::NAME) else {
            return Ok(None);
        };
        cursor::parse(text, order)
            .map(Some)
            .map_err(|error| Problem::parameter(cursor::NAME, error))
    }
}

/// A whole number of digits alone.
fn digits(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

/// A whole number in its one spelling: no leading zeros.
fn whole(text: &str) -> Option<u32> {
    let is_canonical = text == "0" || !text.starts_with('0');
    digits(text).filter(|_| is_canonical)
}

/// A decimal number; unlike `f64`'s own reader, not `inf` or `nan`.
fn number(text: &str) -> Option<f64> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(is_plain).then(|| text.parse().ok())?
}

/// Undoes the encoding of forms: `+` is a blank, `%` introduces a byte. None if it is not UTF-8, or
/// no two hexadecimal digits follow a `%`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use domain::ImageQuery;
    use domain_testing::{at, label};
    use proptest::prelude::*;

    use super::*;
    use crate::queries::IMAGES;

    fn query(text: &str) -> Query {
        Query::parse(text, IMAGES).unwrap()
    }

    /// What the parameters for labels ask for; none if no image can be the answer.
    fn asked(query: &Query) -> Option<ImageQuery> {
        query.labels().unwrap().within(TimeWindow::default())
    }

    fn detail(result: Result<impl std::fmt::Debug, Problem>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_flag_is_true_or_false() {
        let flag = |text| Query::parse(text, &["info"]).unwrap().flag("info");
        assert!(flag("info=true").unwrap());
        assert!(!flag("info=false").unwrap());
        assert!(!flag("").unwrap());
        for text in ["info", "info=", "info=1", "info=TRUE"] {
            let expected = "`info` is neither `true` nor `false`";
            assert!(detail(flag(text)).contains(expected));
        }
    }

    #[rstest::rstest]
    #[case("tag=car", "`tag` is not a parameter")]
    #[case("limits=10", "`limits` is not a parameter")]
    #[case("tags=a&tags=b", "`tags` is given more than once")]
    #[case("tags=a&t%61gs=a", "`tags` is given more than once")]
    #[case("=a", "`` is not a parameter")]
    #[case("Tags=a", "`Tags` is not a parameter")]
    #[case("tags=%zz", "`tags` is not percent-encoded")]
    #[case("tags=%F", "`tags` is not percent-encoded")]
    #[case("tags=%", "`tags` is not percent-encoded")]
    #[case("tags=%ff", "`tags` is not percent-encoded")]
    #[case("%ff=a", "the name of a parameter")]
    fn refuses_what_may_be_a_slip(#[case] text: &str, #[case] why: &str) {
        let detail = detail(Query::parse(text, IMAGES));
        assert!(detail.contains(why), "{detail}");
    }

    #[test]
    fn a_foreign_name_is_shown_in_part() {
        let name = "x".repeat(1000);
        assert!(detail(Query::parse(&name, IMAGES)).len() < 150);
    }

    #[test]
    fn nothing_asks_for_nothing() {
        for text in ["", "&", "&&"] {
            let query = query(text);
            assert_eq!(query.window(chrono_tz::UTC).unwrap(), TimeWindow::default());
            assert_eq!(query.labels().unwrap(), LabelFilter::default());
            assert_eq!(query.limit().unwrap(), None);
            assert_eq!(query.cursor(ImageOrder::Registered).unwrap(), None);
        }
    }

    #[test]
    fn reads_what_clients_send() {
        let query = query(
            "min_date=2024-01-01%2000:00:10&max_date=2024-01-01+00%3A00%3A20&tags=car,motor%20vehicle",
        );
        assert_eq!(
            query.window(chrono_tz::UTC).unwrap(),
            TimeWindow {
                from: Some(at(10)),
                until: Some(at(21))
            }
        );
        assert_eq!(
            asked(&query).unwrap().all_of,
            [label("car"), label("motor vehicle")]
        );
    }

    #[rstest::rstest]
    #[case("tags=")]
    #[case("tags")]
    #[case("tags=,")]
    #[case("tags=car,,cab")]
    #[case("tags=car,+")]
    fn an_empty_name_matches_nothing(#[case] text: &str) {
        assert_eq!(asked(&query(text)), None);
    }

    #[rstest::rstest]
    #[case("tags=%20Car%20,CAR", &["car"])]
    #[case("tags=%C3%91u", &["ñu"])]
    #[case("tags=%22Salt,+Pepper%22,cat", &["cat", "salt, pepper"])]
    #[case("tags=a%2Cb", &["a", "b"])]
    fn names_are_trimmed_and_folded(#[case] text: &str, #[case] names: &[&str]) {
        let labels: Vec<_> = names.iter().map(|name| label(name)).collect();
        assert_eq!(asked(&query(text)).unwrap().all_of, labels);
    }

    #[rstest::rstest]
    #[case("tags=%22a")]
    #[case("any_tags=b,%22a")]
    #[case("not_tags=%22a%22b")]
    fn refuses_bad_quoting(#[case] text: &str) {
        let name = text.split('=').next().unwrap();
        let detail = detail(query(text).labels());
        assert!(detail.contains(&format!("`{name}` has ")), "{detail}");
    }

    #[test]
    fn reads_the_other_filters() {
        let query = query(
            "any_tags=Cab,%20car&not_tags=road%2Cmotor+vehicle&min_confidence=69.5&tags=city",
        );
        let asked = asked(&query).unwrap();
        assert_eq!(asked.all_of, [label("city")]);
        assert_eq!(asked.any_of, [label("cab"), label("car")]);
        assert_eq!(asked.none_of, [label("motor vehicle"), label("road")]);
        assert_eq!(
            asked.threshold.unwrap().lowest().get().to_bits(),
            69.5_f64.to_bits()
        );
    }

    #[rstest::rstest]
    #[case("any_tags=", None)]
    #[case("any_tags=,", None)]
    #[case("any_tags=,a", Some((vec!["a"], vec![])))]
    #[case("not_tags=", Some((vec![], vec![])))]
    #[case("not_tags=,a", Some((vec![], vec!["a"])))]
    #[case("tags=a&not_tags=,", Some((vec!["a"], vec![])))]
    #[case("tags=a&not_tags=A", None)]
    #[case("any_tags=a&not_tags=A", None)]
    fn an_empty_name_is_a_tag_that_no_image_has(
        #[case] text: &str,
        #[case] expected: Option<(Vec<&str>, Vec<&str>)>,
    ) {
        let asked = asked(&query(text)).map(|query| (query.all_of, query.none_of));
        let labels = |names: Vec<&str>| names.into_iter().map(label).collect::<Vec<_>>();
        let expected = expected.map(|(all, none)| (labels(all), labels(none)));
        assert_eq!(asked, expected);
    }

    #[rstest::rstest]
    #[case("1", 1)]
    #[case("50", 50)]
    #[case("050", 50)]
    #[case("1000", 1000)]
    fn limits(#[case] text: &str, #[case] limit: u32) {
        let query = query(&format!("limit={text}"));
        assert_eq!(query.limit().unwrap().unwrap().get(), limit);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("0")]
    #[case("-1")]
    #[case("%2B1")]
    #[case("1001")]
    #[case("4294967297")]
    #[case("99999999999999999999")]
    #[case("1.0")]
    #[case("1e2")]
    #[case("ten")]
    #[case("+5")]
    #[case("%D9%A6")]
    fn refuses_other_limits(#[case] text: &str) {
        let query = query(&format!("limit={text}"));
        assert!(detail(query.limit()).contains("`limit` is not a whole number from 1 to 1000"));
    }

    #[test]
    fn orders_are_read_and_others_are_refused() {
        let order = |text: &str| query(text).image_order();
        assert_eq!(order("").unwrap(), ImageOrder::Registered);
        assert_eq!(order("order=registered").unwrap(), ImageOrder::Registered);
        assert_eq!(order("order=taken").unwrap(), ImageOrder::Taken);
        for bad in ["order=", "order=date", "order=Taken"] {
            assert!(detail(order(bad)).contains("`order` is neither"));
        }
    }

    #[test]
    fn cursors_are_read_and_others_are_refused() {
        let key = PageKey {
            order: ImageOrder::Registered,
            time: at(7).naive_utc(),
            id: domain::ImageId::from_bytes([0xa5; 16]),
        };
        let good = query(&format!("cursor={}", cursor::written(key)));
        assert_eq!(good.cursor(ImageOrder::Registered).unwrap(), Some(key));
        assert!(detail(good.cursor(ImageOrder::Taken)).contains("`cursor` is not"));
        for bad in ["cursor=", "cursor=next", "cursor"] {
            assert!(detail(query(bad).cursor(ImageOrder::Registered)).contains("`cursor` is not"));
        }
    }

    #[rstest::rstest]
    #[case("60", 60.0)]
    #[case("0", 0.0)]
    #[case("100", 100.0)]
    #[case("69.4373550415039", 69.437_355_041_503_9)]
    #[case("1e-05", 0.000_01)]
    fn thresholds(#[case] text: &str, #[case] lowest: f64) {
        let query = query(&format!("min_confidence={text}"));
        let threshold = query.confidence().unwrap().unwrap();
        assert_eq!(threshold.lowest().get().to_bits(), lowest.to_bits());
    }

    #[rstest::rstest]
    #[case("")]
    #[case("nan")]
    #[case("NaN")]
    #[case("inf")]
    #[case("Infinity")]
    #[case("1e999")]
    #[case("-1")]
    #[case("100.0001")]
    #[case("sixty")]
    #[case("60%25")]
    #[case("+60")]
    #[case("6_0")]
    #[case("0x10")]
    #[case("60,5")]
    #[case("%D9%A6")]
    fn refuses_other_thresholds(#[case] text: &str) {
        let query = query(&format!("min_confidence={text}"));
        assert!(detail(query.confidence()).contains("min_confidence"));
        assert!(detail(query.labels()).contains("min_confidence"));
    }

    proptest! {
        #[test]
        fn decoding_is_the_reverse_of_encoding(pairs in prop::collection::vec("\\PC{0,12}", 0..4)) {
            let names = ["a", "b", "c", "d"];
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in names.iter().zip(&pairs) {
                form.append_pair(name, value);
            }
            let query = Query::parse(&form.finish(), &names).unwrap();
            for (name, value) in names.iter().zip(&pairs) {
                prop_assert_eq!(query.get(name), Some(value.as_str()));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|[%&=+a-f0-9]{0,40}") {
            let _ = Query::parse(&text, IMAGES);
            let _ = number(&text);
        }
    }
}
