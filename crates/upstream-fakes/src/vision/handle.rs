//! The test's handle of the fake.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use actix_web::rt::System;
use tokio::sync::oneshot;

use crate::StartError;
use crate::server::server;
use crate::traffic::Traffic;
use crate::vision::answer::Habit;
use crate::vision::state::State;

/// A running vision server, stopped on drop.
#[derive(Debug)]
pub struct Vision {
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    base_url: String,
}

impl Vision {
    /// The model that it has.
    pub const MODEL: &str = "qwen2.5vl:3b";

    /// Starts a server that takes everybody's calls, as Ollama does.
    ///
    /// # Errors
    /// [`StartError`] if it cannot listen.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(None)
    }

    /// Starts a server that wants a key.
    ///
    /// # Errors
    /// [`StartError`] if it cannot listen.
    pub fn start_with(key: Option<&str>) -> Result<Self, StartError> {
        let address = Ipv4Addr::LOCALHOST.into();
        let failed = |source| StartError::Listen {
            address,
            port: 0,
            source,
        };
        let listener = TcpListener::bind((address, 0)).map_err(failed)?;
        let origin = format!("http://{}", listener.local_addr().map_err(failed)?);
        let state = State::new(origin, key.map(str::to_owned), Self::MODEL.to_owned());
        let state = Arc::new(state);
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("vision-fake".to_owned());
        let thread = thread.spawn(move || {
            System::new().block_on(async move {
                let Ok(running) = server(shared, listener, 1) else {
                    return;
                };
                let handle = running.handle();
                let shut_down = async {
                    let _ = stopped.await;
                    handle.stop(false).await;
                };
                let _ = futures_util::future::join(running, shut_down).await;
            });
        });
        Ok(Self {
            base_url: format!("{}/v1", state.origin),
            state,
            stop: Some(stop),
            thread: Some(thread.map_err(StartError::Run)?),
        })
    }

    /// `http://127.0.0.1:port/v1`, for `openai.base_url`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Counters, recorded requests and faults.
    pub fn traffic(&self) -> &Traffic {
        &self.state.traffic
    }

    /// How it answers from now on.
    pub fn answer(&self, habit: Habit) {
        self.state.habits().habit = habit;
    }

    /// Makes it refuse these parameters by name, and no others.
    pub fn refuse(&self, parameters: &[&str]) {
        self.state.habits().refused = parameters.iter().map(|&name| name.to_owned()).collect();
    }

    /// Fixes the labels of every picture, with confidences (0–100).
    pub fn always_see<L: Into<String>>(&self, labels: impl IntoIterator<Item = (L, f64)>) {
        let labels = labels
            .into_iter()
            .map(|(label, confidence)| (label.into(), confidence));
        self.state.sight.fix(Some(labels.collect()));
    }

    /// The text of the last question.
    pub fn question(&self) -> String {
        self.state.habits().question.clone()
    }
}

impl Drop for Vision {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
