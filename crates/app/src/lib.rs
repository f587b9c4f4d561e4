//! Etiqueta, a self-hosted image-tagging server: everything around the domain that is not an adapter.

pub mod access;
pub mod application;
pub mod cli;
pub mod clock;
pub mod jobs;
pub mod metrics;
pub mod permissions;
pub mod releases;
pub mod replica;
pub mod resilience;
pub mod rlimit;
pub mod service_manager;
pub mod settings;
pub mod telemetry;
pub mod upkeep;
pub mod webhooks;
pub mod wiring;
