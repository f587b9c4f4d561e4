//! Tells systemd how far the server is, where it was started as a service of `Type=notify`.

use sd_notify::NotifyState;

/// The server listens.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The server takes no more requests.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Does nothing without `NOTIFY_SOCKET`.
fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told about the server");
    }
}
