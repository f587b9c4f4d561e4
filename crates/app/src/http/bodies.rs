//! The bodies of requests and answers without the HTTP around them, for fuzzing and benchmarks.

use std::{future::pending, time::Duration};

use actix_web::{HttpResponse, body::to_bytes};
use bytes::Bytes;
use chrono_tz::Tz;
use domain::{Image, ports::cause};
use tokio::runtime::Handle;

use super::{
    answer::{self, Head},
    problem::Problem,
    upload,
};

/// Reads the body of an upload that arrives in pieces of that length: the bytes of the image, if it is
/// sound and has no more than 16 MiB.
pub fn read(body: &[u8], piece: usize) -> Option<Vec<u8>> {
    upload::read_in_pieces(body, piece, 16 << 20)
}

/// Writes a list of images: a page of `GET /images`.
pub fn list(images: &[Image], zone: Tz) -> Result<Bytes, Problem> {
    answer::page(images, zone)
}

/// Writes an image with its data: the answer to an upload. Must be called within a Tokio runtime.
pub async fn image(image: &Image, data: Bytes, zone: Tz) -> Result<Bytes, Problem> {
    let head = Head::new(image, zone)?;
    let patience = Duration::from_secs(10);
    let reopen = Box::pin(pending());
    let body = answer::from_bytes(&Handle::current(), head, data, patience, reopen);
    let written = to_bytes(HttpResponse::Ok().body(body).into_body()).await;
    written.map_err(|error| Problem::internal(cause(error.to_string())))
}
