//! The encoders of response bodies without HTTP, for benchmarks.

use std::{future::pending, time::Duration};

use actix_web::{HttpResponse, body::to_bytes};
use bytes::Bytes;
use chrono_tz::Tz;
use domain::{Image, ShownNames, ports::cause};
use tokio::runtime::Handle;

use super::{
    problem::Problem,
    response::{self, Head, Presentation},
};

/// Encodes a list of images: a page of `GET /images`.
pub fn list(images: &[Image], zone: Tz) -> Result<Bytes, Problem> {
    response::page(images, None, &shown(zone))
}

/// Encodes an image with its data: the answer to an upload. Must be called within a Tokio runtime.
pub async fn image(image: &Image, data: Bytes, zone: Tz) -> Result<Bytes, Problem> {
    let head = Head::new(image, &shown(zone))?;
    let hold = Duration::from_secs(10);
    let reopen = Box::pin(pending());
    let body = response::from_bytes(&Handle::current(), head, data, hold, reopen);
    let written = to_bytes(HttpResponse::Ok().body(body).into_body()).await;
    written.map_err(|error| Problem::internal(cause(error.to_string())))
}

fn shown(zone: Tz) -> Presentation {
    let names = ShownNames::default();
    Presentation { zone, names }
}
