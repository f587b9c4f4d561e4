//! The changes of a job that computes what is needed to find look-alikes: none, as that is kept by itself.

use futures_util::{StreamExt, stream};

use super::{Prepared, faults::Fault, retag::sort_out};
use crate::{
    UntaggedImage,
    ports::{CallContext, ImageChange, ImageStoreError, JobChange},
    service::PictureCodes,
};

/// How many pictures are computed at a time: one, as clients wait for the same turns.
const COMPUTED: usize = 1;

/// The most pictures of a step: what is repeated of a job that is given up is little.
const STEP: usize = 8;

/// Computes the codes of images that lack them, up to the first that must wait. `pauses` is how often the job paused at
/// the first of them.
pub(super) async fn prepare(
    codes: &PictureCodes,
    images: &[UntaggedImage],
    pauses: u32,
    context: &CallContext,
) -> Result<Prepared, ImageStoreError> {
    let lacking = codes.lacking(images).await?;
    let mut computed = 0;
    let batch = images.iter().take_while(|image| {
        computed += usize::from(lacking.contains(&image.digest));
        computed <= STEP
    });
    let outcomes = batch.map(|image| {
        let is_lacking = lacking.contains(&image.digest);
        async move {
            if !is_lacking {
                return Ok(None);
            }
            match codes.compute(image, context).await {
                Ok(_) => Ok(Some(JobChange {
                    image: *image,
                    change: ImageChange::Nothing,
                })),
                Err(error) => Err(Fault::of(image.id, &error)),
            }
        }
    });
    let outcomes: Vec<_> = stream::iter(outcomes).buffered(COMPUTED).collect().await;
    let has_succeeded = outcomes
        .iter()
        .any(|outcome| matches!(outcome, Ok(Some(_))));
    sort_out(outcomes.into_iter(), has_succeeded, pauses)
}
