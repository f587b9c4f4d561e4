//! Webhooks.

use std::sync::Arc;

use anyhow::Context;
use domain::{
    ports,
    service::{Deliveries, DeliveryPorts, Webhooks},
};
use webhook_sender_http::HttpSender;

use crate::{clock::SystemClock, settings::Settings};

/// The service that registers webhooks, and the one that delivers to them.
pub(super) fn webhooks(
    settings: &Settings,
    stored: &Arc<dyn ports::Database>,
    clock: &Arc<SystemClock>,
) -> anyhow::Result<(Webhooks, Deliveries)> {
    let sender = HttpSender::new(settings.webhooks.allow, Deliveries::TIMEOUT);
    let sender = Arc::new(sender.context("making the client that posts to webhooks")?);
    let ports = DeliveryPorts {
        queue: stored.clone(),
        sender: sender.clone(),
        clock: clock.clone(),
    };
    Ok((
        Webhooks::new(stored.clone(), sender),
        Deliveries::new(ports),
    ))
}
