//! The answers of ImageKit: whatever it sends is a blob, a list of blobs or an error.
#![no_main]

mod upstream;

use blob_host_imagekit::{DEFAULT_FOLDER, ImageKit, ImageKitSettings};
use chrono::{DateTime, Utc};
use domain::{
    EncodedPicture, MediaType,
    ports::{BlobHost, CallContext, HostedBlob, UpstreamError},
};
use libfuzzer_sys::fuzz_target;
use upstream::{CLIENT, SECRET, check_error, with_server};

fuzz_target!(|input: &[u8]| {
    // The first byte chooses the call, the rest is the answer.
    let Some((call, input)) = input.split_first() else { return };
    with_server(input, |url| make(*call, url));
});

async fn make(call: u8, url: String) {
    let host = ImageKit::new(CLIENT.clone(), settings(url)).unwrap();
    let blobs = match call % 4 {
        0 => uploaded(&host).await.map(|blob| vec![blob]),
        1 => host.release(&[blob("one")]).await.map(|()| Vec::new()),
        2 => host.release(&[blob("one"), blob("two")]).await.map(|()| Vec::new()),
        _ => host.forgotten(DateTime::<Utc>::MAX_UTC).await,
    };
    match blobs {
        Ok(blobs) => blobs.iter().for_each(check),
        Err(error) => check_error(&error),
    }
}

async fn uploaded(host: &ImageKit) -> Result<HostedBlob, UpstreamError> {
    let picture = EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: b"a picture".as_slice().into(),
    };
    host.host(&picture, "name", &CallContext::local()).await
}

/// A blob can be released and fetched.
fn check(blob: &HostedBlob) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    assert!(!blob.id.is_empty() && blob.id.bytes().all(is_plain));
    let url = reqwest::Url::parse(&blob.url).unwrap();
    assert!(["http", "https"].contains(&url.scheme()));
}

fn blob(id: &str) -> HostedBlob {
    HostedBlob {
        id: id.to_owned(),
        url: format!("https://ik.imagekit.io/demo/etiqueta-tagging/{id}.jpg"),
    }
}

fn settings(url: String) -> ImageKitSettings {
    ImageKitSettings {
        upload_url: url.clone(),
        api_url: url,
        private_key: SECRET.into(),
        // Purging goes on by itself after the call, for minutes where it is refused.
        purge: false,
        folder: DEFAULT_FOLDER.to_owned(),
    }
}
