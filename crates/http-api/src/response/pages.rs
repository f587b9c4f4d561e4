//! Lists of images, streamed page by page in constant memory.

use actix_web::body::{BodySize, BoxBody};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;

use domain::{
    Image, ImageId, ImageInfo,
    ports::{ImageStoreError, cause},
    service::CatalogError,
};
use futures_util::{StreamExt, stream::BoxStream};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{
    dto::{ImageBody, Presentation},
    streamed::{Pieces, Streamed},
};
use crate::problem::Problem;

/// What is known of the images of a page beside their tags.
pub(crate) type Infos = HashMap<ImageId, ImageInfo>;

/// The images of a page, and what is known of them if that is to be told.
pub(crate) type Page = (Vec<Image>, Option<Infos>);

/// The pages of a list.
pub(crate) type Pages = BoxStream<'static, Result<Page, CatalogError>>;

/// A chunk is sent once it has this many bytes.
const PIECE: usize = 32 * 1024;

/// The response with a list: a bare JSON array.
pub(crate) fn images(runtime: &Handle, pages: Pages, shown: Presentation) -> BoxBody {
    let reader = runtime.clone();
    BoxBody::new(Streamed::new(runtime, BodySize::Stream, move |pieces| {
        send(reader, pages, shown, pieces)
    }))
}

/// Prefetches pages: one is read while the previous one is written.
fn read_ahead(runtime: &Handle, mut pages: Pages) -> (Ahead, AbortOnDropHandle<()>) {
    let (sender, ahead) = mpsc::channel(1);
    let work = async move {
        while let Some(page) = pages.next().await {
            // Stop after an error, or once the receiver is dropped.
            let is_last = page.is_err();
            if sender.send(page).await.is_err() || is_last {
                return;
            }
        }
    };
    let task = runtime.spawn(work.in_current_span());
    (ahead, AbortOnDropHandle::new(task))
}

type Ahead = mpsc::Receiver<Result<Page, CatalogError>>;

/// The response with one page: an array of known length.
pub(crate) fn page(
    images: &[Image],
    infos: Option<&Infos>,
    shown: &Presentation,
) -> Result<Bytes, Problem> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    let mut separator = b'[';
    for image in images {
        buffer.put_u8(separator);
        separator = b',';
        write(&mut buffer, image, infos, shown)?;
    }
    if images.is_empty() {
        buffer.put_u8(separator);
    }
    buffer.put_u8(b']');
    Ok(buffer.freeze())
}

async fn send(
    runtime: Handle,
    pages: Pages,
    shown: Presentation,
    pieces: Pieces,
) -> Result<(), CatalogError> {
    let (mut ahead, reader) = read_ahead(&runtime, pages);
    let mut buffer = BytesMut::with_capacity(2 * PIECE);
    let mut separator = b'[';
    while let Some(page) = ahead.recv().await {
        let (images, infos) = page?;
        for image in &images {
            buffer.put_u8(separator);
            separator = b',';
            write(&mut buffer, image, infos.as_ref(), &shown)?;
            if buffer.len() >= PIECE && pieces.send(buffer.split().freeze()).await.is_err() {
                return Ok(());
            }
        }
    }
    // The list is complete only if the reader task ended normally.
    reader.await.map_err(failed)?;
    if separator == b'[' {
        buffer.put_u8(separator);
    }
    buffer.put_u8(b']');
    // If the receiver is gone, the rest is not needed.
    let _ = pieces.send(buffer.freeze()).await;
    Ok(())
}

fn write(
    buffer: &mut BytesMut,
    image: &Image,
    infos: Option<&Infos>,
    shown: &Presentation,
) -> Result<(), CatalogError> {
    let mut body = ImageBody::new(image, shown);
    if let Some(infos) = infos {
        body = body.with_info(image, infos.get(&image.id));
    }
    serde_json::to_writer(buffer.writer(), &body).map_err(failed)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> CatalogError {
    ImageStoreError::Failed(cause(error)).into()
}

#[cfg(test)]
mod tests {
    use actix_web::body::{MessageBody as _, to_bytes_limited};
    use domain_testing::{at, image};
    use futures_util::{TryStreamExt as _, stream};
    use serde_json::Value;

    use super::*;

    fn shown() -> Presentation {
        Presentation {
            zone: chrono_tz::Tz::UTC,
            names: domain::ShownNames::default(),
        }
    }

    async fn read(pages: Vec<Result<Vec<Image>, CatalogError>>) -> Result<Value, String> {
        let pages = stream::iter(pages).map_ok(|images| (images, None));
        let body = images(&Handle::current(), pages.boxed(), shown());
        assert_eq!(body.size(), BodySize::Stream);
        let bytes = to_bytes_limited(body, 1 << 24).await.unwrap();
        let bytes = bytes.map_err(|error| error.to_string())?;
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    fn some(count: usize) -> Vec<Image> {
        let one = image(b"x", at(0), &[("car", 90.0), ("motor vehicle", 80.0)]);
        vec![one; count]
    }

    #[tokio::test]
    async fn pages_become_one_array() {
        for sizes in [vec![], vec![0], vec![1], vec![1, 2], vec![500, 500, 3]] {
            let pages = sizes.iter().map(|size| Ok(some(*size))).collect();
            let json = read(pages).await.unwrap();
            assert_eq!(json.as_array().unwrap().len(), sizes.iter().sum::<usize>());
        }
    }

    #[test]
    fn a_page_is_one_array() {
        for count in [0, 1, 3] {
            let json = page(&some(count), None, &shown()).unwrap();
            let json: Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(json.as_array().unwrap().len(), count);
        }
    }

    #[tokio::test]
    async fn a_reader_that_panics_breaks_the_list_off() {
        let first = stream::iter([Ok((some(3), None))]);
        let pages = first.chain(stream::once(async { panic!("bug") }));
        let body = images(&Handle::current(), pages.boxed(), shown());
        assert!(to_bytes_limited(body, 1 << 24).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_page_that_fails_breaks_the_list_off() {
        let error = ImageStoreError::Unavailable(cause("gone"));
        let pages = vec![Ok(some(3)), Err(error.into())];
        assert_eq!(read(pages).await.unwrap_err(), "the answer broke off");
    }
}
