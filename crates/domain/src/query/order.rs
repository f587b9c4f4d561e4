//! Orders of lists of images, and places in them.

use chrono::NaiveDateTime;

use crate::{ImageId, UntaggedImage};

/// An order of images. Ties come by greatest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ImageOrder {
    /// The last registered first.
    #[default]
    Registered,
    /// The last taken first, see [`Image::taken_order`](crate::Image::taken_order).
    Taken,
}

/// A cursor in a sorted list: after this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// The order of the list.
    pub order: ImageOrder,
    /// When the last image before the cursor was registered (UTC) or taken.
    pub time: NaiveDateTime,
    /// The id of that image.
    pub id: ImageId,
}

impl PageKey {
    /// The cursor after an image.
    pub fn after(order: ImageOrder, image: impl Into<UntaggedImage>) -> Self {
        let image = image.into();
        Self {
            order,
            time: match order {
                ImageOrder::Registered => image.registered_at.naive_utc(),
                ImageOrder::Taken => image.taken_order,
            },
            id: image.id,
        }
    }
}
