//! The answers of Imagga: whatever it sends is tags or an error.
#![no_main]

mod upstream;

use domain::{
    EncodedPicture, Label, MediaType,
    ports::{CallContext, TagProvider},
};
use domain_testing::FakePictureSource;
use libfuzzer_sys::fuzz_target;
use tag_provider_imagga::{Delivery, Imagga, ImaggaSettings};
use upstream::{CLIENT, SECRET, check_error, with_server};

fuzz_target!(|input: &[u8]| with_server(input, call));

async fn call(base_url: String) {
    let provider = Imagga::new(CLIENT.clone(), settings(base_url)).unwrap();
    let picture = FakePictureSource::of_file(EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: b"a picture".as_slice().into(),
    });
    match provider.tag(&picture, &CallContext::local()).await {
        Ok(tags) => {
            for tag in tags.iter() {
                assert!((0.0..=100.0).contains(&tag.confidence.get()));
                assert_eq!(Label::parse(tag.label.as_str()).as_ref(), Ok(&tag.label));
            }
        }
        Err(error) => check_error(&error),
    }
    // What the headers told of the quota.
    if let Err(error) = provider.ready().await {
        check_error(&error);
    }
    let _ = provider.quota();
}

fn settings(base_url: String) -> ImaggaSettings {
    ImaggaSettings {
        base_url,
        api_key: SECRET.into(),
        api_secret: SECRET.into(),
        language: "en".to_owned(),
        delivery: Delivery::File,
        max_side: 0,
    }
}
