//! Two servers on one database, one of which is killed again and again while clients post with idempotency keys: each
//! key registers one image.
//!
//! A round is a key. A batch of them is posted to both servers at once, and to both in the same moment; then one
//! server is killed and started again, and the posts are repeated until they succeed. A few rounds run with the other
//! tests; `CRASH_KEYS=yes scripts/crash-test` runs any number.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::RequestBuilder;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    load::picture,
    number,
    site::{Ending, Fixture, Running},
};
use crate::{database::Kind, server::encode};

/// Rounds by default; `ETIQUETA_CRASH_ROUNDS` overrides it.
const ROUNDS: u64 = 40;

/// How many rounds are posted at once.
const BATCH: u64 = 20;

/// How often a key is posted to each server at once.
const COPIES: usize = 2;

/// How long a key may be held up by a server that was killed.
const HELD_UP: Duration = Duration::from_mins(1);

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_registers_one_image(#[case] kind: Kind) {
    let rounds = number("ETIQUETA_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed =
        number("ETIQUETA_CRASH_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!("{kind:?}: {rounds} rounds with the seed {seed}");
    let began = Instant::now();
    let mut run = Run::start(kind, seed).await;
    for first in (0..rounds).step_by(usize::try_from(BATCH).unwrap()) {
        run.batch(first..rounds.min(first + BATCH)).await;
        println!("{:.0?}: {}", began.elapsed(), run.summary());
    }
    run.check().await;
    assert!(run.tally.conflicts > 0, "no two posts ever met");
}

/// How posts were answered while servers were killed.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    answered: usize,
    conflicts: usize,
    cut_off: usize,
    /// Because upkeep was removing what a killed server had put.
    failed: usize,
}

struct Run {
    site: Fixture,
    servers: Vec<Running>,
    rng: StdRng,
    seed: u64,
    /// The image of each key.
    images: BTreeMap<u64, String>,
    tally: Tally,
}

/// A post with a key, and its answer.
#[derive(Debug)]
enum Outcome {
    Registered(String),
    InProgress,
    CutOff,
    Failed,
}

impl Run {
    async fn start(kind: Kind, seed: u64) -> Self {
        let site = Fixture::create(kind, Ending::Kill).await;
        let place = format!("seed {seed}");
        let servers = vec![site.start(&place).await, site.start(&place).await];
        Self {
            site,
            servers,
            rng: StdRng::seed_from_u64(seed),
            seed,
            images: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    async fn batch(&mut self, keys: std::ops::Range<u64>) {
        let latency = Duration::from_millis(self.rng.random_range(0..30));
        self.site.set_latency(latency);
        let mut posts = Vec::new();
        for key in keys.clone() {
            let body = body(self.seed, key);
            for server in &self.servers {
                for _ in 0..COPIES {
                    let post = post(server, self.seed, key, &body);
                    posts.push((key, tokio::spawn(post)));
                }
            }
        }
        sleep(Duration::from_millis(self.rng.random_range(0..400))).await;
        let victim = self.rng.random_range(0..self.servers.len());
        self.servers[victim].process.kill();
        for (key, post) in posts {
            self.note(key, post.await.unwrap());
        }
        self.servers[victim] = self.site.start(&format!("seed {}", self.seed)).await;
        for key in keys {
            self.repeat(key).await;
        }
    }

    /// Posts to either server until each has answered.
    async fn repeat(&mut self, key: u64) {
        let body = body(self.seed, key);
        for server in 0..self.servers.len() {
            let began = Instant::now();
            loop {
                let server = &self.servers[server];
                let outcome = post(server, self.seed, key, &body).await;
                let is_done = matches!(outcome, Outcome::Registered(_));
                let report = server.report();
                self.note(key, outcome);
                if is_done {
                    break;
                }
                assert!(began.elapsed() < HELD_UP, "key {key} is held up\n{report}");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }

    fn note(&mut self, key: u64, outcome: Outcome) {
        match outcome {
            Outcome::Registered(id) => {
                self.tally.answered += 1;
                let known = self.images.entry(key).or_insert_with(|| id.clone());
                assert_eq!(*known, id, "key {key} has two images, seed {}", self.seed);
            }
            Outcome::InProgress => self.tally.conflicts += 1,
            Outcome::CutOff => self.tally.cut_off += 1,
            Outcome::Failed => self.tally.failed += 1,
        }
    }

    /// There is an image for each key, and no other.
    async fn check(&self) {
        let server = &self.servers[0];
        let response = server.client.get(server.url("/images")).send().await;
        let listed: Vec<Value> = response.unwrap().json().await.unwrap();
        let ids: Vec<&str> = listed
            .iter()
            .map(|image| image["id"].as_str().unwrap())
            .collect();
        let known: BTreeSet<&str> = self.images.values().map(String::as_str).collect();
        assert_eq!(known.len(), self.images.len(), "two keys share an image");
        assert_eq!(ids.len(), known.len(), "{}", server.report());
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), known);
        let key = *self.images.keys().next().unwrap();
        let other = body(self.seed.wrapping_add(1), key);
        let mismatch = request(server, self.seed, key, &other);
        assert_eq!(mismatch.send().await.unwrap().status(), 422);
    }

    fn summary(&self) -> String {
        let Tally {
            answered,
            conflicts,
            cut_off,
            failed,
        } = self.tally;
        format!(
            "{} keys, {} images; {answered} posts answered, {conflicts} met another one, {cut_off} cut off, \
             {failed} failed",
            self.images.len(),
            self.images.values().collect::<BTreeSet<_>>().len(),
        )
    }
}

fn body(seed: u64, key: u64) -> Value {
    json!({"data": encode(&picture(seed.wrapping_mul(1 << 16).wrapping_add(key)))})
}

fn request(server: &Running, seed: u64, key: u64, body: &Value) -> RequestBuilder {
    server
        .client
        .post(server.url("/image?min_confidence=0"))
        .header("idempotency-key", format!("{seed}-{key}"))
        .json(body)
}

fn post(
    server: &Running,
    seed: u64,
    key: u64,
    body: &Value,
) -> impl Future<Output = Outcome> + use<> {
    let request = request(server, seed, key, body);
    async move {
        let Ok(response) = request.send().await else {
            return Outcome::CutOff;
        };
        let status = response.status().as_u16();
        let location = response.headers().get("location").cloned();
        let wait = response.headers().contains_key("retry-after");
        // The status is there, even if the rest of the answer is lost.
        let text = response.text().await.unwrap_or_default();
        match status {
            200 => {
                let location = location.expect("a location");
                let id = location.to_str().unwrap().trim_start_matches("/image/");
                Outcome::Registered(id.to_owned())
            }
            409 => {
                assert!(wait, "{text}");
                Outcome::InProgress
            }
            503 => Outcome::Failed,
            _ => panic!("key {key}: {status} {text}"),
        }
    }
}
