//! Clients that post, and the ledger of what they posted.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    io::Cursor,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use image::{ImageFormat, RgbImage};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::site::{Left, Running};
use crate::server::encode;

const CLIENTS: usize = 6;

/// The seed that a picture is generated from, which identifies it.
pub type Number = u64;

/// Everything that was posted, answered and found.
#[derive(Default)]
pub struct Ledger {
    /// How often each picture was posted.
    pub posts: HashMap<Number, usize>,
    /// The pictures by the hash of their bytes.
    pub known: HashMap<u64, Number>,
    /// Images answered with 200.
    pub answered: Vec<Answered>,
    /// How many of those have been checked.
    pub checked: usize,
    /// Every image ever listed by the server, and its picture.
    pub rows: HashMap<String, Number>,
    /// Pictures left at the blob host, and partial files, summed over all rounds.
    left: Left,
    /// Rounds that left some.
    ends: Left,
}

/// An image acknowledged by the server.
#[derive(Clone)]
pub struct Answered {
    pub id: String,
    pub picture: Number,
    /// The response body, if it arrived as a whole.
    pub body: Option<Value>,
}

impl Ledger {
    pub fn note(&mut self, left: Left) {
        self.left.blobs += left.blobs;
        self.left.remains += left.remains;
        self.ends.blobs += usize::from(left.blobs > 0);
        self.ends.remains += usize::from(left.remains > 0);
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered: HashSet<_> = self.answered.iter().map(|answered| &answered.id).collect();
        let unanswered = self.rows.keys().filter(|id| !answered.contains(id)).count();
        write!(
            f,
            "{} posts, {} answered, {unanswered} registered without an answer; the ends left {} \
             pictures public (in {} rounds) and {} remains of files (in {})",
            self.posts.values().sum::<usize>(),
            self.answered.len(),
            self.left.blobs,
            self.ends.blobs,
            self.left.remains,
            self.ends.remains,
        )
    }
}

/// A hash that identifies bytes.
pub fn mark(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A small picture of noise in one of three formats; one in ten is longer than one write.
pub fn picture(number: Number) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(number);
    let side = if rng.random_ratio(1, 10) { 200 } else { 24 };
    let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp][rng.random_range(0..3)];
    let mut picture = RgbImage::new(side, side);
    rng.fill_bytes(&mut picture);
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub struct Load {
    clients: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
}

#[derive(Default)]
struct Record {
    posted: Vec<(Number, u64)>,
    answered: Vec<Answered>,
    refused: Vec<(u16, String)>,
}

impl Load {
    /// Starts clients that post new pictures, and now and then one posted before.
    pub fn start(server: &Running, ledger: &Ledger, rng: &mut StdRng) -> Self {
        let old: Arc<Vec<Number>> = Arc::new(ledger.posts.keys().copied().take(1000).collect());
        let (stop, record) = (Arc::default(), Arc::<Mutex<Record>>::default());
        let clients = (0..CLIENTS).map(|_| {
            let client = Client {
                http: server.client.clone(),
                url: server.url("/image?min_confidence=0"),
                rng: StdRng::from_rng(rng),
                old: Arc::clone(&old),
                stop: Arc::clone(&stop),
                record: Arc::clone(&record),
            };
            tokio::spawn(client.work())
        });
        Self {
            clients: clients.collect(),
            stop,
            record,
        }
    }

    /// Stops the clients and enters their posts into the ledger. Any rejection fails the test, except those
    /// of a server whose disk has lost power.
    pub async fn collect(self, ledger: &mut Ledger, server: &Running, may_lack_disk: bool) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let record = std::mem::take(&mut *self.record.lock().unwrap());
        for (picture, mark) in record.posted {
            *ledger.posts.entry(picture).or_default() += 1;
            ledger.known.insert(mark, picture);
        }
        ledger.answered.extend(record.answered);
        let refused = record.refused;
        let is_fine = refused.is_empty() || may_lack_disk;
        assert!(is_fine, "{refused:?}\n{}", server.report());
    }
}

struct Client {
    http: reqwest::Client,
    url: String,
    rng: StdRng,
    old: Arc<Vec<Number>>,
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
}

impl Client {
    async fn work(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next();
            let bytes = picture(number);
            self.record
                .lock()
                .unwrap()
                .posted
                .push((number, mark(&bytes)));
            let body = json!({ "data": encode(&bytes) });
            if self.post(number, &body).await.is_err() {
                // The server has gone.
                return;
            }
        }
    }

    fn next(&mut self) -> Number {
        let record = self.record.lock().unwrap();
        let now = record.posted.last().map(|(number, _)| *number);
        drop(record);
        match self.rng.random_range(0..8) {
            0 if !self.old.is_empty() => self.old[self.rng.random_range(0..self.old.len())],
            // The same picture as another client just now.
            1 => now.unwrap_or_else(|| self.rng.random()),
            _ => self.rng.random(),
        }
    }

    async fn post(&self, picture: Number, body: &Value) -> reqwest::Result<()> {
        let response = self.http.post(&self.url).json(body).send().await?;
        let status = response.status().as_u16();
        let location = response.headers().get("location").cloned();
        // The server has answered 200, even if the rest of the response is lost.
        let text = response.text().await;
        let mut record = self.record.lock().unwrap();
        if status == 200 {
            let location = location.expect("a location");
            let id = location.to_str().unwrap().trim_start_matches("/image/");
            let body = text.as_ref().ok();
            record.answered.push(Answered {
                id: id.to_owned(),
                picture,
                body: body.map(|text| serde_json::from_str(text).unwrap()),
            });
        } else {
            let text = text.as_ref().cloned().unwrap_or_default();
            record.refused.push((status, text));
        }
        text.map(|_| ())
    }
}
