#![doc = include_str!("../README.md")]

mod list;
mod purge;
mod release;
mod settings;
mod upload;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    EncodedPicture,
    ports::{BlobHost, CallContext, HostedBlob, UpstreamError},
};
use reqwest::Client;
use upstream_http::{Answer, BaseUrl, Credentials, Service, ServiceFacts};

pub use self::settings::{DEFAULT_FOLDER, ImageKitSettings, ImageKitSettingsError};
use self::{purge::Purger, settings::Folder};

/// Marks our files, in case the folder contains others.
const TAG: &str = "etiqueta";

/// Responses other than lists are far smaller.
const LONGEST_ANSWER: usize = 1 << 20;

/// Errors are `{"message": "…", "help": "…"}`.
const FACTS: ServiceFacts = ServiceFacts {
    name: "ImageKit",
    error_texts: &["/message"],
    request_id: Some("x-ik-requestid"),
};

/// A blob host at ImageKit.
#[derive(Debug, Clone)]
pub struct ImageKit {
    kit: Arc<Kit>,
    purger: Option<Purger>,
}

/// Access to ImageKit's routes.
#[derive(Debug)]
struct Kit {
    service: Service,
    upload_url: BaseUrl,
    api_url: BaseUrl,
    folder: Folder,
}

impl ImageKit {
    /// Creates the host without connecting. The time-outs of all calls are the client's.
    pub fn new(client: Client, settings: ImageKitSettings) -> Result<Self, ImageKitSettingsError> {
        let upload_url =
            BaseUrl::parse(&settings.upload_url).map_err(ImageKitSettingsError::UploadUrl)?;
        let api_url = BaseUrl::parse(&settings.api_url).map_err(ImageKitSettingsError::ApiUrl)?;
        let folder = Folder::parse(&settings.folder)?;
        let credentials = Credentials::new(settings.private_key, "".into());
        let kit = Arc::new(Kit {
            service: Service::new(FACTS, client, credentials),
            upload_url,
            api_url,
            folder,
        });
        let purger = settings.purge.then(|| Purger::new(kit.clone()));
        Ok(Self { kit, purger })
    }

    /// Waits until no URL is left to purge.
    pub async fn purged(&self) {
        if let Some(purger) = &self.purger {
            purger.idle().await;
        }
    }
}

#[async_trait]
impl BlobHost for ImageKit {
    async fn host(
        &self,
        picture: &EncodedPicture,
        name: &str,
        context: &CallContext,
    ) -> Result<HostedBlob, UpstreamError> {
        context.check()?;
        self.kit.upload(picture, name).await
    }

    async fn release(&self, blobs: &[HostedBlob]) -> Result<(), UpstreamError> {
        for chunk in release::chunks(blobs) {
            self.kit.delete(&chunk).await?;
            if let Some(purger) = &self.purger {
                purger.purge_later(chunk);
            }
        }
        Ok(())
    }

    async fn forgotten(&self, before: DateTime<Utc>) -> Result<Vec<HostedBlob>, UpstreamError> {
        self.kit.list_before(before).await
    }
}

impl Kit {
    /// The error of an unsuccessful response. ImageKit reports the wait in milliseconds.
    fn failure(&self, answer: &Answer) -> UpstreamError {
        match self.service.failure(answer) {
            UpstreamError::Busy { retry_after } => UpstreamError::Busy {
                retry_after: retry_after.max(answer.milliseconds("x-ratelimit-reset")),
            },
            other => other,
        }
    }
}
