//! The tagger and its accounts, tried with one small picture.

use std::time::Duration;

use bytes::Bytes;
use domain::ports::in_words;
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::Finding;
use crate::{settings::Settings, wiring};

/// How long the tagger may take beyond its own time-outs.
const SLACK: Duration = Duration::from_mins(1);

/// The side of the picture.
const SIDE: u32 = 64;

const CHECK: &str = "tagger";

/// Tags a picture: that takes the credentials of the provider and those of the blob host, with one call of each.
pub(super) async fn finding(settings: &Settings) -> Finding {
    let tagging = match wiring::tagging(settings) {
        Ok(tagging) => tagging,
        Err(error) => {
            return Finding::error(CHECK, format!("{error:#}"), "see the setting that is named");
        }
    };
    let patience = SLACK + settings.imagga.timeout.max(settings.openai.timeout);
    let calls = tagging.taggers.iter().map(|it| it.tag_file(picture()));
    let outcome = timeout(patience, try_join_all(calls)).await;
    if let Some(releases) = &tagging.releases {
        // The picture must not stay public.
        let _ = timeout(SLACK, releases.drained()).await;
    }
    match outcome {
        Ok(Ok(tags)) => {
            let counts: Vec<String> = tags.iter().map(|tags| tags.len().to_string()).collect();
            let text = format!("it has {} tags for a test picture", counts.join(" and "));
            Finding::ok(CHECK, text)
        }
        Ok(Err(error)) => Finding::error(
            CHECK,
            in_words(&error),
            "the credentials, the address and the model of the tagger and of the blob host are in the settings; the cause says which",
        ),
        Err(_) => Finding::error(
            CHECK,
            "it does not answer",
            "is its address right, and does a firewall let calls out?",
        ),
    }
}

/// A BMP with a gradient: nobody's picture.
fn picture() -> Bytes {
    let row = (3 * SIDE).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    for number in [54 + row * SIDE, 0, 54, 40, SIDE, SIDE] {
        file.extend(number.to_le_bytes());
    }
    file.extend(1_u16.to_le_bytes());
    file.extend(24_u16.to_le_bytes());
    for number in [0_u32; 6] {
        file.extend(number.to_le_bytes());
    }
    for y in 0..SIDE {
        for x in 0..row {
            file.push(u8::try_from((x + 3 * y) % 256).unwrap_or(u8::MAX));
        }
    }
    file.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_one() {
        let length = u32::from_le_bytes(picture()[2..6].try_into().unwrap());
        assert_eq!(length as usize, picture().len());
    }
}
