//! `GET /v1/files`.

use chrono::{DateTime, Utc};
use domain::ports::{HostedBlob, UpstreamError};
use reqwest::{Method, Url};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{Kit, TAG, settings::Folder, upload::blob};

/// ImageKit's largest page; also the most files that one call returns.
const PAGE: usize = 1000;

/// The longest page in bytes; a file takes one or two kilobytes.
const LONGEST_PAGE: usize = 16 << 20;

/// How many pages of other people's files are searched.
const MOST_PAGES: usize = 100;

/// The fields of a file that we need; all others are optional.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    file_id: String,
    url: String,
    file_path: String,
    /// `null` if there are none.
    tags: Option<Vec<String>>,
    #[serde(deserialize_with = "time")]
    created_at: DateTime<Utc>,
}

/// Accepts RFC 3339 only.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
    Ok(time.to_utc())
}

impl Listed {
    fn is_ours(&self, folder: &Folder) -> bool {
        let is_tagged = self.tags.iter().flatten().any(|tag| tag == TAG);
        is_tagged && folder.holds(&self.file_path)
    }
}

impl Kit {
    /// Our files created before a time, oldest first; at most a thousand or a few more.
    pub(crate) async fn list_before(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<HostedBlob>, UpstreamError> {
        let mut found = Vec::new();
        for page in 0..MOST_PAGES {
            let files = self.page(page * PAGE).await?;
            let is_last = files.len() < PAGE;
            let old = |file: &Listed| file.created_at < before;
            let has_younger = files.iter().any(|file| !old(file));
            found.extend(
                files
                    .into_iter()
                    .filter(old)
                    .filter(|f| f.is_ours(&self.folder)),
            );
            if is_last || has_younger || found.len() >= PAGE {
                break;
            }
        }
        found.sort_by_key(|file| file.created_at);
        let blobs = found.into_iter();
        Ok(blobs
            .filter_map(|file| blob(file.file_id, file.url))
            .collect())
    }

    async fn page(&self, skip: usize) -> Result<Vec<Listed>, UpstreamError> {
        let request = self.service.request(Method::GET, self.page_url(skip));
        let answer = self.service.send(request, LONGEST_PAGE).await?;
        if !answer.status().is_success() {
            return Err(self.failure(&answer));
        }
        self.service.json(&answer)
    }

    fn page_url(&self, skip: usize) -> Url {
        let mut url = self.api_url.route(&["v1", "files"]);
        url.query_pairs_mut()
            .append_pair("type", "file")
            .append_pair("sort", "ASC_CREATED")
            .append_pair("path", self.folder.as_str())
            .append_pair("limit", &PAGE.to_string())
            .append_pair("skip", &skip.to_string());
        url
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = r#"{"fileId": "6673f88237b244ef54d60180", "type": "file", "name": "a.jpg",
        "url": "https://ik.imagekit.io/demo/etiqueta-tagging/a.jpg",
        "filePath": "/etiqueta-tagging/a.jpg", "tags": ["etiqueta"], "AITags": null,
        "createdAt": "2026-11-23T21:37:39.123Z"}"#;

    fn read(text: &str) -> Option<Listed> {
        serde_json::from_str(text).ok()
    }

    #[rstest::rstest]
    #[case("", "", true)]
    #[case(r#"["etiqueta"]"#, r#"["x", "etiqueta"]"#, true)]
    #[case(r#"["etiqueta"]"#, r#"["x"]"#, false)]
    #[case(r#"["etiqueta"]"#, "null", false)]
    #[case(r#""tags": ["etiqueta"],"#, "", false)]
    #[case("/etiqueta-tagging/a.jpg\",", "/etiqueta-tagging/b/a.jpg\",", false)]
    fn ours_is_what_has_our_tag_in_our_folder(
        #[case] part: &str,
        #[case] other: &str,
        #[case] ours: bool,
    ) {
        let folder = Folder::parse("/etiqueta-tagging").unwrap();
        let file = read(&FILE.replace(part, other)).unwrap();
        assert_eq!(file.is_ours(&folder), ours);
    }

    #[rstest::rstest]
    #[case("2026-11-23 21:37:39.123")]
    #[case("2026-11-23T21:37:39.123")]
    #[case("2026-11-23")]
    #[case("1795470000")]
    #[case("")]
    fn times_without_a_zone_are_refused(#[case] time: &str) {
        assert!(read(&FILE.replace("2026-11-23T21:37:39.123Z", time)).is_none());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in r#"(\[|\{|\]|\}|"|:|,|null|[a-zA-Z0-9]|\PC){0,80}"#) {
            let _ = serde_json::from_str::<Vec<Listed>>(&text);
            let _ = read(&FILE.replace("2026-11-23T21:37:39.123Z", &text));
        }
    }
}
