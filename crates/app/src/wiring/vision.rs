//! The vision server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::service::SharedVocabulary;
use support::{Guard, RetryPolicy};
use tag_provider_openai::{
    Output, VisionServer, VisionSettings, VisionSettingsError, WordList, WordSource, Words,
};

use super::provider::{Upstreams, client, guard, watched};
use crate::{
    resilience::GuardedProvider,
    settings::{OutputChoice, Settings},
};

/// How long a picture waits for its turn: one call may take minutes, and an import has many pictures under way. A caller
/// that goes away leaves the queue before that.
const QUEUE_WAIT: Duration = Duration::from_hours(24);

/// A tagger at a vision server; with a closed vocabulary it is asked for the words of that alone.
pub(super) fn vision(
    settings: &Settings,
    vocabulary: Option<SharedVocabulary>,
) -> anyhow::Result<Upstreams> {
    let own = &settings.openai;
    let words = vocabulary.map_or(WordList::Open, |vocabulary| {
        WordList::Source(Arc::new(ClosedVocabulary(vocabulary)))
    });
    let provider = VisionServer::new(client(own.timeout)?, asked(settings), words);
    let provider = provider.map_err(|error| settings.refuse(key_of(error), error))?;
    let limits = guard(own.concurrency.get(), own.timeout, RetryPolicy::PROMPT);
    let limits = support::GuardSettings {
        queue_wait: QUEUE_WAIT,
        ..limits
    };
    let guard = Guard::new(Arc::default(), &limits);
    Ok(Upstreams {
        guards: vec![watched("openai", &guard)],
        provider: Arc::new(GuardedProvider::new(Arc::new(provider), guard)),
        extractor: None,
        host: None,
        // The only one that it is asked for.
        languages: vec![settings.tagging.language.clone()],
        is_local: false,
    })
}

fn asked(settings: &Settings) -> VisionSettings {
    let own = &settings.openai;
    VisionSettings {
        base_url: own
            .base_url
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        api_key: own.api_key.clone(),
        model: own.model.clone().unwrap_or_default(),
        output: match own.output {
            OutputChoice::Structured => Output::Structured,
            OutputChoice::Json => Output::Json,
            OutputChoice::Plain => Output::Plain,
        },
        prompt: own.prompt.clone(),
        language: settings.tagging.language.clone(),
        max_tags: own.max_tags.get(),
        max_side: own.max_side,
        default_confidence: own.default_confidence.lowest().get(),
    }
}

/// The setting that an error is about.
fn key_of(error: VisionSettingsError) -> &'static str {
    match error {
        VisionSettingsError::BaseUrl(_) => "openai.base_url",
        VisionSettingsError::Model => "openai.model",
        VisionSettingsError::Confidence => "openai.default_confidence",
        VisionSettingsError::Identity(_) => "tagging.language",
    }
}

/// The tags of a vocabulary while it is closed.
struct ClosedVocabulary(SharedVocabulary);

#[async_trait]
impl WordSource for ClosedVocabulary {
    /// Any word while the vocabulary cannot be read: what it does not have is dropped from the answer anyway.
    async fn words(&self) -> Words {
        let known = self.0.current().await.ok()?;
        let entries = known
            .vocabulary
            .is_closed()
            .then(|| known.vocabulary.after(None))?;
        let given = entries.filter(|entry| !entry.is_blocked);
        let given: Arc<[String]> = given.map(|entry| entry.tag.as_str().to_owned()).collect();
        // A choice from nothing would be paid for, too.
        (!given.is_empty()).then_some(given)
    }
}
