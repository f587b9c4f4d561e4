//! A fetcher whose names and public address are the test's.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};

use super::server::{Script, Server};
use crate::{
    DEFAULT_TIMEOUT, Failure, FetchError, FetchPolicy, FetchSettings, Fetcher, Violation,
    address::is_public, resolver::Dns, rules::Rules,
};

/// Counts as public.
pub(super) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
pub(super) const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) const SETTINGS: FetchSettings = FetchSettings {
    policy: FetchPolicy::Public,
    max_bytes: 1000,
    timeout: DEFAULT_TIMEOUT,
};

/// Names with the answers of their look-ups; the last answer stays.
#[derive(Default)]
pub(super) struct FakeDns {
    answers: Mutex<HashMap<String, VecDeque<Vec<SocketAddr>>>>,
    look_ups: Mutex<Vec<String>>,
}

/// A public server under the names `a.test` and `b.test`.
pub(super) struct Fixture {
    pub(super) dns: Arc<FakeDns>,
    pub(super) server: Server,
    settings: FetchSettings,
}

impl FakeDns {
    pub(super) fn answer(&self, name: &str, addresses: &[SocketAddr]) {
        let mut answers = self.answers.lock().unwrap();
        answers
            .entry(name.to_owned())
            .or_default()
            .push_back(addresses.to_vec());
    }

    pub(super) fn look_ups(&self) -> Vec<String> {
        self.look_ups.lock().unwrap().clone()
    }

    fn next(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers
            .get_mut(name)
            .ok_or_else(|| io::Error::other("no such name at 10.0.0.53"))?;
        let last = answers.len() == 1;
        let answer = if last {
            answers.front().cloned()
        } else {
            answers.pop_front()
        };
        Ok(answer.unwrap_or_default())
    }
}

impl Dns for FakeDns {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let answer = self.next(&name);
        self.look_ups.lock().unwrap().push(name);
        async { answer }.boxed()
    }
}

impl Fixture {
    pub(super) async fn new(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        let server = Server::start(PUBLIC, script).await;
        let dns = Arc::new(FakeDns::default());
        for name in ["a.test", "b.test"] {
            dns.answer(name, &[server.address]);
        }
        Self {
            dns,
            server,
            settings: SETTINGS,
        }
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    pub(super) fn fetcher(&self) -> Fetcher {
        let rules = Rules::public_where(|address| address == PUBLIC || is_public(address));
        Fetcher::with(self.settings, rules, Arc::<FakeDns>::clone(&self.dns)).unwrap()
    }

    /// The whole body.
    pub(super) async fn fetch(&self, url: &str) -> Result<String, FetchError> {
        read(self.fetcher(), url).await
    }

    pub(super) async fn violation(&self, url: &str) -> (Violation, bool) {
        match self.fetch(url).await {
            Err(FetchError::NotAllowed {
                reason, redirected, ..
            }) => (reason, redirected),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn failure(&self, url: &str) -> Failure {
        match self.fetch(url).await {
            Err(FetchError::Failed { failure, .. }) => failure,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn read(fetcher: Fetcher, url: &str) -> Result<String, FetchError> {
    let chunks: Vec<_> = fetcher.fetch(url).await?.stream.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}
