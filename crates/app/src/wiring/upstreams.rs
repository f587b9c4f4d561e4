//! The tag provider and the blob host.

use std::sync::Arc;

use blob_host_imagekit::{DEFAULT_FOLDER, ImageKit};
use domain::{ports::BlobHost, service::SharedVocabulary};
use support::{CircuitBreaker, Guard, RetryPolicy};
use tag_provider_imagga::{Delivery, Imagga};
use thiserror::Error;

use super::{
    metrics::WatchedGuard,
    provider::{TagProviders, Upstreams, client, guard, watched},
    vision::vision,
};
use crate::{
    resilience::{GuardedHost, GuardedProvider},
    settings::{ImaggaCredentials, ProviderChoice, Settings},
};

/// Chooses the providers, without connecting to anything.
/// A vocabulary that is closed tells a vision server which words to choose from.
pub(super) fn upstreams(
    settings: &Settings,
    vocabulary: Option<&SharedVocabulary>,
) -> anyhow::Result<TagProviders> {
    let choices = settings.tagging.provider.iter();
    let mut chosen = choices.map(|choice| upstream(settings, *choice, vocabulary.cloned()));
    let first = chosen.next();
    let first = first.unwrap_or_else(|| upstream(settings, ProviderChoice::Auto, None))?;
    Ok(TagProviders {
        first,
        further: chosen.collect::<anyhow::Result<_>>()?,
    })
}

fn upstream(
    settings: &Settings,
    choice: ProviderChoice,
    vocabulary: Option<SharedVocabulary>,
) -> anyhow::Result<Upstreams> {
    match (choice, settings.imagga.credentials()) {
        (ProviderChoice::Auto | ProviderChoice::Imagga, Some(credentials)) => {
            imagga(settings, &credentials)
        }
        (ProviderChoice::Imagga, None) => Err(settings
            .refuse("tagging.provider", NoProvider::Credentials)
            .into()),
        (ProviderChoice::OpenAi, _) => vision(settings, vocabulary),
        (ProviderChoice::Auto | ProviderChoice::Local, _) => local(settings),
    }
}

/// Why no provider can be used.
#[derive(Debug, Error)]
enum NoProvider {
    #[error(
        "there are no credentials of Imagga; set imagga.api_key and imagga.api_secret, or write them into credentials.json"
    )]
    Credentials,
    #[cfg(not(feature = "local-tagger"))]
    #[error("this build has no local tagger; set the credentials of Imagga")]
    Local,
    #[cfg(feature = "local-tagger")]
    #[error("the local tagger has tags in {} alone", tag_provider_local::LANGUAGE)]
    Language,
}

/// The local tagger. A model given in the settings is loaded before anything else happens, so
/// that a mistake in it stops the start.
#[cfg(feature = "local-tagger")]
fn local(settings: &Settings) -> anyhow::Result<Upstreams> {
    use domain::ports::FeatureExtractor;
    use tag_provider_local::{LANGUAGE, LocalTagger, ModelFiles, Startup};
    if settings.tagging.language != LANGUAGE {
        return Err(settings
            .refuse("tagging.language", NoProvider::Language)
            .into());
    }
    let tagger = match &settings.tagging.model {
        None => LocalTagger::start(ModelFiles::embedded(), Startup::Background),
        Some(folder) => {
            ModelFiles::open(folder).and_then(|files| LocalTagger::start(files, Startup::Now))
        }
    };
    let tagger = tagger.map_err(|error| settings.refuse("tagging.model", error))?;
    let tagger = Arc::new(tagger);
    let own: Arc<dyn FeatureExtractor> = tagger.clone();
    let extractor = tagger.has_features().then_some(own);
    Ok(Upstreams {
        provider: tagger,
        extractor,
        host: None,
        // The only one that it takes as a setting.
        languages: vec![settings.tagging.language.clone()],
        is_local: true,
        guards: Vec::new(),
    })
}

#[cfg(not(feature = "local-tagger"))]
fn local(settings: &Settings) -> anyhow::Result<Upstreams> {
    Err(settings
        .refuse("tagging.provider", NoProvider::Local)
        .into())
}

fn imagga(settings: &Settings, credentials: &ImaggaCredentials) -> anyhow::Result<Upstreams> {
    // Both services share it.
    let client = client(settings.imagga.timeout.max(settings.imagekit.timeout))?;
    let mut guards = Vec::new();
    let host = settings
        .imagekit
        .private_key
        .as_ref()
        .map(|_| imagekit(settings, &client, &mut guards))
        .transpose()?;
    let delivery = if host.is_some() {
        Delivery::PublicUrl
    } else {
        Delivery::File
    };
    let provider = Imagga::new(
        client,
        tag_provider_imagga::ImaggaSettings {
            base_url: settings.imagga.base_url.to_string(),
            api_key: credentials.api_key.clone(),
            api_secret: credentials.api_secret.clone(),
            language: settings.tagging.language.clone(),
            delivery,
            max_side: settings.tagging.max_side,
        },
    )
    .map_err(|error| {
        use tag_provider_imagga::ImaggaSettingsError::Language;
        let key = if matches!(error, Language(_)) {
            "tagging.language"
        } else {
            "imagga.base_url"
        };
        settings.refuse(key, error)
    })?;
    let guard = Guard::new(
        Arc::default(),
        &guard(
            settings.imagga.concurrency.get(),
            settings.imagga.timeout,
            RetryPolicy::PROMPT,
        ),
    );
    guards.push(watched("imagga", &guard));
    Ok(Upstreams {
        provider: Arc::new(GuardedProvider::new(Arc::new(provider), guard)),
        extractor: None,
        host,
        guards,
        languages: tag_provider_imagga::LANGUAGES
            .iter()
            .map(|language| (*language).to_owned())
            .collect(),
        is_local: false,
    })
}

fn imagekit(
    settings: &Settings,
    client: &reqwest::Client,
    guards: &mut Vec<WatchedGuard>,
) -> anyhow::Result<Arc<dyn BlobHost>> {
    let own = &settings.imagekit;
    let host = ImageKit::new(
        client.clone(),
        blob_host_imagekit::ImageKitSettings {
            upload_url: own.upload_url.to_string(),
            api_url: own.api_url.to_string(),
            private_key: own.private_key.clone().unwrap_or_default(),
            purge: own.purge,
            folder: DEFAULT_FOLDER.to_owned(),
        },
    )
    .map_err(|error| settings.refuse("imagekit.upload_url", error))?;
    let breaker = Arc::<CircuitBreaker>::default();
    let concurrency = own.concurrency.get();
    let hosting = guard(concurrency, own.timeout, RetryPolicy::PROMPT);
    // The release queue and upkeep have their own retries.
    let housekeeping = guard(concurrency, own.timeout, RetryPolicy::NEVER);
    let hosting = Guard::new(Arc::clone(&breaker), &hosting);
    let housekeeping = Guard::new(breaker, &housekeeping);
    guards.push(watched("imagekit", &hosting));
    guards.push(WatchedGuard {
        shares_breaker: true,
        ..watched("imagekit-housekeeping", &housekeeping)
    });
    let host = GuardedHost::new(Arc::new(host), hosting, housekeeping);
    Ok(Arc::new(host))
}
