//! What the paths of routes name.

use std::{fmt::Display, str::FromStr};

use actix_web::HttpRequest;
use domain::{Image, ImageId, Label, service::Catalog};
use percent_encoding::percent_decode_str;

use crate::problem::{Code, Problem};

/// The id in the path.
pub(super) fn id<T: FromStr<Err: Display>>(request: &HttpRequest) -> Result<T, Problem> {
    let id = request.match_info().query("id").parse();
    id.map_err(|error: T::Err| Problem::new(Code::InvalidId, format!("{error}")))
}

/// The label in the path. The router leaves `%2F` and `%25` as they are, so that a name may contain a slash.
pub(super) fn label(request: &HttpRequest) -> Result<Label, Problem> {
    let text = percent_decode_str(request.match_info().query("tag")).decode_utf8();
    let text = text.map_err(|_| Problem::parameter("tag", "is not percent-encoded UTF-8"))?;
    Label::parse(&text).map_err(|error| Problem::parameter("tag", format!("is no tag: {error}")))
}

/// The image with that id, without its bytes.
pub(super) async fn image(catalog: &Catalog, id: &ImageId) -> Result<Image, Problem> {
    let found = catalog.image(id).await?;
    found.ok_or_else(|| no_image(id))
}

/// No image has that id.
pub(super) fn no_image(id: &ImageId) -> Problem {
    Problem::new(Code::ImageNotFound, format!("there is no image {id}"))
}
