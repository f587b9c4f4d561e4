//! What calls wait for after the start.

use tokio::sync::watch;

/// Shut until something is there that calls need: the schema of the database, or its registration with
/// the originals.
#[derive(Debug, Clone, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// One that was never shut.
    pub fn opened_already() -> Self {
        let gate = Self::default();
        gate.open();
        gate
    }

    /// Whether calls are let through.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Lets calls through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        // An error would mean that the sender is gone, which is this very gate.
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Tells others whether it is open.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}
