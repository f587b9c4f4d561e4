use blob_host_imagekit::{ImageKit, ImageKitSettingsError};
use domain::ports::{BlobHost, CallContext};

use crate::support::{Stage, client, picture, settings};

#[tokio::test]
async fn upload_has_our_folder_and_tag_and_a_unique_name() {
    let stage = Stage::with(|settings| settings.folder = "/some/where".to_owned()).await;
    let blob = stage
        .host
        .host(&picture(), "la niña", &CallContext::local())
        .await
        .unwrap();
    let [file] = &stage.kit().files()[..] else {
        panic!("one file");
    };
    assert_eq!(file.id, blob.id);
    assert_eq!(file.folder, "/some/where");
    let (stem, extension) = file.name.split_once('.').unwrap();
    assert!(stem.starts_with("la_ni_a_"), "{stem}");
    assert_eq!(extension, "jpg");
    assert_eq!(file.tags, Some(vec!["etiqueta".to_owned()]));
    assert_eq!(file.bytes, picture().bytes);
    assert!(file.published && !file.private);
}

#[tokio::test]
async fn the_picture_is_sent_as_bytes_with_its_length() {
    let stage = Stage::new().await;
    stage.host_one().await;
    let [request] = &stage.kit().traffic().requests()[..] else {
        panic!("one request");
    };
    let header = |name: &str| request.headers.iter().find(|(n, _)| n == name);
    assert!(request.body_bytes < 1500, "{}", request.body_bytes);
    assert_eq!(
        header("content-length").map(|(_, value)| value.clone()),
        Some(request.body_bytes.to_string())
    );
    assert!(header("transfer-encoding").is_none());
}

#[tokio::test]
async fn invalid_settings_have_distinct_errors() {
    let fakes = upstream_fakes::Fakes::start().await.unwrap();
    let refusal = |change: fn(&mut blob_host_imagekit::ImageKitSettings)| {
        let mut settings = settings(&fakes);
        change(&mut settings);
        let client = client(std::time::Duration::from_secs(1));
        ImageKit::new(client, settings).unwrap_err()
    };
    let error = refusal(|settings| settings.upload_url = "upload.imagekit.io".to_owned());
    assert!(matches!(error, ImageKitSettingsError::UploadUrl(_)));
    let error = refusal(|settings| settings.api_url = "ftp://api.imagekit.io".to_owned());
    assert!(matches!(error, ImageKitSettingsError::ApiUrl(_)));
    let text = "ImageKit's API URL: the URL must begin with https:// or http://";
    assert_eq!(error.to_string(), text);
    let error = refusal(|settings| settings.folder = "/".to_owned());
    assert!(matches!(error, ImageKitSettingsError::Folder));
}
