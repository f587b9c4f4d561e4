//! Links from one page of a list to the next (RFC 8288).

use domain::{Label, PageKey};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::params::cursor;

/// Characters that a query must not contain literally (RFC 3986, section 3.4). `%` may: the query is
/// encoded already.
const FOREIGN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The link to the page after a cursor: this page's query with another cursor.
///
/// The reference is only a query, so that it also works behind a proxy that changes host or path.
pub fn next(query: &str, place: PageKey) -> String {
    to_cursor(query, &cursor::written(place))
}

/// The link to the page of jobs before the one with that number.
pub(crate) fn next_job(query: &str, number: u64) -> String {
    to_cursor(query, &cursor::written_job(number))
}

/// The link to the page of the vocabulary after the entry of that tag.
pub(crate) fn next_tag(query: &str, tag: &Label) -> String {
    to_cursor(query, &cursor::written_tag(tag))
}

fn to_cursor(query: &str, cursor: &str) -> String {
    let mut target = String::from("?");
    for parameter in query.split('&').filter(|pair| !is_cursor(pair)) {
        target.extend(utf8_percent_encode(parameter, FOREIGN));
        target.push('&');
    }
    let name = cursor::NAME;
    format!("<{target}{name}={cursor}>; rel=\"next\"")
}

/// Whether a parameter is the cursor, or empty.
fn is_cursor(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let name = percent_encoding::percent_decode_str(name);
    parameter.is_empty() || name.decode_utf8_lossy() == cursor::NAME
}

#[cfg(test)]
mod tests {
    use domain::{ImageId, ImageOrder};
    use domain_testing::at;
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const BASE: &str = "https://host.example/under/images?old=1";

    fn place() -> PageKey {
        PageKey {
            order: ImageOrder::Registered,
            time: at(0).naive_utc(),
            id: ImageId::from_bytes([9; 16]),
        }
    }

    fn target(link: &str) -> Url {
        let reference = link.strip_prefix('<').unwrap();
        let reference = reference.strip_suffix(">; rel=\"next\"").unwrap();
        Url::parse(BASE).unwrap().join(reference).unwrap()
    }

    #[test]
    fn a_link_repeats_the_query_with_another_cursor() {
        let cursor = cursor::written(place());
        for (query, repeated) in [
            ("limit=5", "limit=5&"),
            (
                "tags=car,motor%20vehicle&limit=5&cursor=old",
                "tags=car,motor%20vehicle&limit=5&",
            ),
            (
                "curs%6fr=old&limit=5&&min_date=2024-01-01+00:00:00",
                "limit=5&min_date=2024-01-01+00:00:00&",
            ),
            ("tags=a\"b>,<c&limit=1", "tags=a%22b%3E,%3Cc&limit=1&"),
            ("tags=ñ&limit=1", "tags=%C3%B1&limit=1&"),
        ] {
            let expected = format!("<?{repeated}cursor={cursor}>; rel=\"next\"");
            assert_eq!(next(query, place()), expected);
        }
    }

    #[test]
    fn a_link_leads_to_the_same_list_behind_a_proxy() {
        let next = target(&next("tags=a&limit=5", place()));
        assert_eq!(next.path(), "/under/images");
        assert_eq!(next.host_str(), Some("host.example"));
    }

    proptest! {
        #[test]
        fn other_parameters_are_kept_and_escaped(values in prop::collection::vec("\\PC{0,12}", 0..4)) {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for value in &values {
                form.append_pair("tags", value);
            }
            let next = target(&next(&form.finish(), place()));
            let pairs: Vec<(String, String)> = next.query_pairs().into_owned().collect();
            let cursor = ("cursor".to_owned(), cursor::written(place()));
            let expected = values.into_iter().map(|value| ("tags".to_owned(), value));
            prop_assert_eq!(pairs, expected.chain([cursor]).collect::<Vec<_>>());
        }

        #[test]
        fn a_link_is_always_a_header(query in "\\PC{0,40}") {
            let link = next(&query, place());
            prop_assert!(link.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(link.matches('>').count(), 1);
        }
    }
}
