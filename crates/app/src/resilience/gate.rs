//! A gate that calls wait for after the start.

use tokio::sync::watch;

/// Closed until a precondition of calls holds: the database schema exists, or the database is registered
/// with the originals.
#[derive(Debug, Clone, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A gate that is open from the start.
    pub fn opened_already() -> Self {
        let gate = Self::default();
        gate.open();
        gate
    }

    /// Whether the gate is open.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn opened(&self) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// A receiver of the gate's state.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}
