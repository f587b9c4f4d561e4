//! The contract of [`FeatureExtractor`].

use crate::FakePictureSource;
use domain::ports::{CallContext, CodecError, FeatureExtractor, UpstreamError};

/// Runs the whole suite on one extractor, with a picture in the form that it pulls.
pub async fn all(extractor: &dyn FeatureExtractor, picture: &FakePictureSource) {
    it_computes_the_same_features_each_time(extractor, picture).await;
    it_fails_as_its_source_does(extractor).await;
    it_computes_nothing_for_a_caller_that_has_gone(extractor, picture).await;
}

/// Features are deterministic, of one length, under one model.
pub async fn it_computes_the_same_features_each_time(
    extractor: &dyn FeatureExtractor,
    picture: &FakePictureSource,
) {
    let model = extractor.model().clone();
    let context = CallContext::local();
    let features = extractor
        .features(picture, &context)
        .await
        .expect("features");
    let again = extractor
        .features(picture, &context)
        .await
        .expect("features");
    assert_eq!(again, features);
    assert_eq!(extractor.model(), &model);
}

/// An error of the source is passed on unchanged.
pub async fn it_fails_as_its_source_does(extractor: &dyn FeatureExtractor) {
    let failing = FakePictureSource::failing(UpstreamError::Picture(CodecError::Overloaded));
    let outcome = extractor.features(&failing, &CallContext::local()).await;
    let error = outcome.expect_err("the source fails");
    let is_handed_on = matches!(error, UpstreamError::Picture(CodecError::Overloaded));
    assert!(is_handed_on, "{error:?}");
}

/// A call of a caller that has gone is [`UpstreamError::Cancelled`].
pub async fn it_computes_nothing_for_a_caller_that_has_gone(
    extractor: &dyn FeatureExtractor,
    picture: &FakePictureSource,
) {
    let gone = CallContext::cancelled_when(|| true);
    let error = extractor.features(picture, &gone).await;
    let error = error.expect_err("the caller has gone");
    assert!(matches!(error, UpstreamError::Cancelled), "{error:?}");
}
