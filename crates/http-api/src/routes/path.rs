//! What the paths of routes name.

use actix_web::HttpRequest;
use domain::{Image, ImageId, service::Catalog};

use crate::problem::{Code, Problem};

/// The image id in the path.
pub(super) fn image_id(request: &HttpRequest) -> Result<ImageId, Problem> {
    let id = request.match_info().query("id").parse();
    id.map_err(|error| Problem::new(Code::InvalidId, format!("{error}")))
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
