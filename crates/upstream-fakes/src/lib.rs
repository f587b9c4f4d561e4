//! Strict stand-ins for ImageKit, Imagga and vision servers that speak HTTP.
//!
//! [`Fakes`] runs ImageKit and Imagga on ports of their own, in a thread of their own, so that any number of them
//! works beside any asynchronous runtime. They implement only what the services are known to do, reject
//! what these merely tolerate, and can inject faults ([`Fault`]). [`Vision`] is a server of its own.
//!
//! ```
//! # async fn example() -> Result<(), upstream_fakes::StartError> {
//! use upstream_fakes::{Fakes, Fault, Route};
//!
//! let fakes = Fakes::start().await?;
//! let host = fakes.imagekit();
//! host.traffic().fail_next(Route::Upload, Fault::status(503));
//! println!("{} takes {}", host.upload_url(), host.private_key());
//! # Ok(())
//! # }
//! ```

mod call;
mod clock;
mod control;
mod fakes;
mod fault;
mod fetch;
mod form;
mod imagekit;
mod imagga;
mod picture;
mod record;
mod server;
mod traffic;
mod upstream;
mod vision;

pub use fakes::{Builder, Fakes, StartError};
pub use fault::{Fault, Route};
pub use imagekit::{File, ImageKit, Seed};
pub use imagga::{Imagga, tags_of};
pub use record::{Recorded, RouteCount};
pub use traffic::Traffic;
pub use vision::{Habit, Vision};
