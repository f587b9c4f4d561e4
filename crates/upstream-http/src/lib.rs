#![doc = include_str!("../README.md")]

mod answer;
mod base_url;
mod credentials;
mod service;
mod timing;

pub use answer::Answer;
pub use base_url::{BaseUrl, BaseUrlError};
pub use credentials::Credentials;
pub use service::{ErrorReport, Service, ServiceFacts};
