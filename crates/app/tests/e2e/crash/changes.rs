//! Kills the server while images are edited, deleted and changed by jobs: each change is made as a whole or not at
//! all, jobs go on where they were, and the statistics are exact after each restart.
//!
//! Each client changes its own images alone, and knows after each change what they may be: one thing once a change is
//! answered, one of two while it is not. The pictures are few, so that deletions meet uploads of the same bytes. A few
//! rounds run with the other tests; `CRASH_CHANGES=yes scripts/crash-test` runs any number.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{Response, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use super::{
    THOROUGH,
    checks::{get, list},
    load::{mark, picture},
    number,
    site::{self, Ending, Fixture, Running},
};
use crate::{
    database::Kind,
    edits::assert_counts,
    server::{decode, encode},
};

/// Rounds by default; `ETIQUETA_CRASH_ROUNDS` overrides it.
const ROUNDS: u64 = 6;

const CLIENTS: u64 = 4;

/// How many pictures there are.
const PICTURES: u64 = 60;

/// The longest time from the first change to the end, in milliseconds.
const LONGEST: u64 = 700;

/// What persons add.
const WORDS: [&str; 5] = ["keep", "family", "mia", "blurred", "print"];

/// How many images are read as a whole in each round.
const SAMPLE: usize = 6;

/// The lease of a job whose server was killed lasts for 15 seconds, the claim of a removal for a minute.
const HELD_UP: Duration = Duration::from_secs(90);

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_made_as_a_whole(#[case] kind: Kind) {
    let rounds = number("ETIQUETA_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed =
        number("ETIQUETA_CRASH_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!("{kind:?}: {rounds} rounds with the seed {seed}");
    let began = Instant::now();
    let mut run = Run {
        site: Fixture::create(kind, Ending::Kill).await,
        clients: (0..CLIENTS)
            .map(|number| Client::new(number, seed))
            .collect(),
        seed,
    };
    for round in 0..rounds {
        run.round(round).await;
        if (round + 1).is_multiple_of(THOROUGH) {
            println!(
                "{} rounds in {:.0?}: {}",
                round + 1,
                began.elapsed(),
                run.tally()
            );
        }
    }
    run.last_check().await;
    println!("no finding: {}", run.tally());
}

struct Run {
    site: Fixture,
    clients: Vec<Client>,
    seed: u64,
}

impl Run {
    async fn round(&mut self, round: u64) {
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(round << 32));
        let place = format!("seed {}, round {round}", self.seed);
        let mut server = self.site.start(&place).await;
        self.check(&server, &mut rng).await;
        self.site
            .set_latency(Duration::from_millis(rng.random_range(0..10)));
        let stop = Arc::<AtomicBool>::default();
        let clients: Vec<JoinHandle<Client>> = std::mem::take(&mut self.clients)
            .into_iter()
            .map(|client| tokio::spawn(client.work(Api::of(&server), Arc::clone(&stop))))
            .collect();
        sleep(Duration::from_micros(rng.random_range(0..LONGEST * 1000))).await;
        self.site.end(&mut server);
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let client = client.await;
            self.clients
                .push(client.unwrap_or_else(|error| panic!("{error}\n{}", server.report())));
        }
    }

    /// Every image is what it may be, and is counted as what it is.
    async fn check(&mut self, server: &Running, rng: &mut StdRng) {
        let (images, tags) = at_rest(server).await;
        assert_counts(&images, &tags);
        let found = by_id(&images);
        for client in &mut self.clients {
            client.check(&found, server);
        }
        let there: Vec<&Image> = self.clients.iter().flat_map(Client::there).collect();
        for image in there.choose_multiple(rng, SAMPLE) {
            let answer = get(server, &format!("/image/{}", image.id)).await;
            let is_exact = decode(&answer["data"]) == picture(image.picture);
            assert!(is_exact, "{}: other bytes\n{}", image.id, server.report());
        }
    }

    /// All jobs end, and originals without an image go.
    async fn last_check(&mut self) {
        let place = format!("seed {}, last check", self.seed);
        let server = self.site.start(&place).await;
        let began = Instant::now();
        while self.clients.iter().any(|client| client.pending.is_some()) {
            for client in &mut self.clients {
                client.settle(&Api::of(&server)).await.unwrap();
            }
            assert!(began.elapsed() < HELD_UP, "{}", server.report());
            sleep(Duration::from_millis(50)).await;
        }
        let mut rng = StdRng::seed_from_u64(self.seed);
        self.check(&server, &mut rng).await;
        let mut used = HashSet::new();
        for image in list(&server, "/images").await {
            let path = format!("/image/{}", image["id"].as_str().unwrap());
            used.insert(mark(&decode(&get(&server, &path).await["data"])));
        }
        let began = Instant::now();
        while site::files(&server.folder).len() != used.len() {
            let kept = site::files(&server.folder).len();
            assert!(kept > used.len(), "{kept} originals of {}", used.len());
            assert!(began.elapsed() < HELD_UP, "{kept}\n{}", server.report());
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for client in &self.clients {
            sum.add(client.tally);
        }
        sum
    }
}

/// The list of all images and the statistics, at one moment: jobs may be under way.
async fn at_rest(server: &Running) -> (Vec<Value>, Vec<Value>) {
    let began = Instant::now();
    loop {
        let before = list(server, "/images").await;
        let tags = list(server, "/tags").await;
        if list(server, "/images").await == before {
            return (before, tags);
        }
        assert!(began.elapsed() < HELD_UP, "{}", server.report());
    }
}

type Labels = BTreeSet<String>;

fn labels(image: &Value) -> Labels {
    let tags = image["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag["tag"].as_str().unwrap().to_owned())
        .collect()
}

fn by_id(images: &[Value]) -> BTreeMap<&str, Labels> {
    let images = images.iter();
    images
        .map(|image| (image["id"].as_str().unwrap(), labels(image)))
        .collect()
}

/// An image of a client: the labels that it may have, the last ones if all changes were made. `None` is that it is
/// deleted.
struct Image {
    id: String,
    picture: u64,
    may_be: Vec<Option<Labels>>,
}

impl Image {
    /// What it is, unless a change was not answered.
    fn labels(&self) -> Option<&Labels> {
        match &self.may_be[..] {
            [Some(labels)] => Some(labels),
            _ => None,
        }
    }

    fn expect(&mut self, outcome: Option<Labels>) {
        self.may_be.push(outcome);
    }

    /// The last change was made.
    fn made(&mut self) {
        self.may_be.drain(..self.may_be.len() - 1);
    }
}

/// A job, whose request may not have been answered.
struct Pending {
    key: String,
    body: Value,
    path: Option<String>,
    members: Vec<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    posts: usize,
    edits: usize,
    deletions: usize,
    jobs: usize,
    /// Changes that were under way when the server was killed.
    cut_off: usize,
    /// Posts of bytes that upkeep was removing.
    refused: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.posts += other.posts;
        self.edits += other.edits;
        self.deletions += other.deletions;
        self.jobs += other.jobs;
        self.cut_off += other.cut_off;
        self.refused += other.refused;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} posts, {} edits, {} deletions and {} jobs answered; {} changes cut off, {} posts refused",
            self.posts, self.edits, self.deletions, self.jobs, self.cut_off, self.refused
        )
    }
}

/// The running server, for one client.
struct Api {
    http: reqwest::Client,
    origin: String,
}

impl Api {
    fn of(server: &Running) -> Self {
        Self {
            http: server.client.clone(),
            origin: server.url(""),
        }
    }

    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.origin)).json(body)
    }

    fn patch(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.patch(format!("{}{path}", self.origin)).json(body)
    }
}

async fn assert_status(response: Response, expected: StatusCode) -> reqwest::Result<Response> {
    let status = response.status();
    if status == expected {
        return Ok(response);
    }
    panic!("{status}: {}", response.text().await?);
}

struct Client {
    number: u64,
    rng: StdRng,
    images: Vec<Image>,
    pending: Option<Pending>,
    tally: Tally,
}

impl Client {
    fn new(number: u64, seed: u64) -> Self {
        Self {
            number,
            rng: StdRng::seed_from_u64(seed.wrapping_add(number)),
            images: Vec::new(),
            pending: None,
            tally: Tally::default(),
        }
    }

    /// The label by which its jobs find its images.
    fn mark(&self) -> String {
        format!("client{}", self.number)
    }

    fn there(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().filter(|image| image.labels().is_some())
    }

    async fn work(mut self, api: Api, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            if self.step(&api).await.is_err() {
                // The server has gone.
                self.tally.cut_off += 1;
                break;
            }
        }
        self
    }

    async fn step(&mut self, api: &Api) -> reqwest::Result<()> {
        if self.pending.is_some() {
            self.settle(api).await?;
            return self.register(api).await;
        }
        match self.rng.random_range(0..12) {
            0..4 => self.register(api).await,
            4..8 => self.edit(api).await,
            8..11 => self.delete(api).await,
            _ => self.begin_job(api).await,
        }
    }

    async fn register(&mut self, api: &Api) -> reqwest::Result<()> {
        let number = self.rng.random_range(0..PICTURES);
        let body = json!({ "data": encode(&picture(number)) });
        let response = api.post("/image?min_confidence=0", &body).send().await?;
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.tally.refused += 1;
            return Ok(());
        }
        let response = assert_status(response, StatusCode::OK).await?;
        let image: Value = response.json().await?;
        self.images.push(Image {
            id: image["id"].as_str().unwrap().to_owned(),
            picture: number,
            may_be: vec![Some(labels(&image))],
        });
        self.tally.posts += 1;
        Ok(())
    }

    /// An image that is there.
    fn any(&mut self) -> Option<usize> {
        let there: Vec<usize> = self.indexes(|_| true);
        there.choose(&mut self.rng).copied()
    }

    fn indexes(&self, is_wanted: impl Fn(&Labels) -> bool) -> Vec<usize> {
        let images = self.images.iter().enumerate();
        images
            .filter(|(_, image)| image.labels().is_some_and(&is_wanted))
            .map(|(index, _)| index)
            .collect()
    }

    /// Two words come and one label goes, all at once.
    async fn edit(&mut self, api: &Api) -> reqwest::Result<()> {
        let Some(index) = self.any() else {
            return self.register(api).await;
        };
        let before = self.images[index].labels().unwrap().clone();
        let word = WORDS.choose(&mut self.rng).copied().unwrap();
        let add = [self.mark(), word.to_owned()];
        let others: Vec<&String> = before.iter().filter(|label| !add.contains(label)).collect();
        let remove: Vec<&String> = others.choose(&mut self.rng).copied().into_iter().collect();
        let mut after: Labels = before
            .union(&add.iter().cloned().collect())
            .cloned()
            .collect();
        after.retain(|label| !remove.contains(&label));
        let body = json!({ "add": add, "remove": remove });
        self.images[index].expect(Some(after.clone()));
        let path = format!("/image/{}/tags", self.images[index].id);
        let response = api.patch(&path, &body).send().await?;
        let response = assert_status(response, StatusCode::OK).await?;
        self.images[index].made();
        self.tally.edits += 1;
        assert_eq!(labels(&response.json().await?), after);
        Ok(())
    }

    async fn delete(&mut self, api: &Api) -> reqwest::Result<()> {
        let Some(index) = self.any() else {
            return self.register(api).await;
        };
        self.images[index].expect(None);
        let url = format!("{}/image/{}", api.origin, self.images[index].id);
        let response = api.http.delete(url).send().await?;
        assert_status(response, StatusCode::NO_CONTENT).await?;
        self.images[index].made();
        self.tally.deletions += 1;
        Ok(())
    }

    /// All its images that have its mark are edited, deleted or tagged again.
    async fn begin_job(&mut self, api: &Api) -> reqwest::Result<()> {
        let mark = self.mark();
        let members = self.indexes(|labels| labels.contains(&mark));
        let key = format!("{mark}-{}", self.rng.random::<u64>());
        let filter = json!({ "tags": mark });
        let (body, change): (Value, fn(&Labels) -> Option<Labels>) = match self
            .rng
            .random_range(0..3)
        {
            0 => (json!({"kind": "delete", "filter": filter}), |_| None),
            1 => (
                json!({"kind": "retag", "filter": filter, "min_confidence": 0}),
                |labels| Some(labels.clone()),
            ),
            _ => (
                json!({"kind": "edit", "filter": filter, "add": ["by a job"], "remove": ["keep"]}),
                |labels| {
                    let mut after = labels.clone();
                    after.remove("keep");
                    after.insert("by a job".to_owned());
                    Some(after)
                },
            ),
        };
        for member in &members {
            let image = &mut self.images[*member];
            let outcome = image.labels().and_then(change);
            image.expect(outcome);
        }
        self.pending = Some(Pending {
            key,
            body,
            path: None,
            members,
        });
        self.settle(api).await
    }

    /// Looks whether its job has ended. A request that was not answered is repeated.
    async fn settle(&mut self, api: &Api) -> reqwest::Result<()> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        let path = if let Some(path) = &pending.path {
            path.clone()
        } else {
            let request = api.post("/jobs", &pending.body);
            let response = request
                .header("idempotency-key", &pending.key)
                .send()
                .await?;
            if response.status() == StatusCode::CONFLICT {
                // The key is held up by the server that was killed.
                return Ok(());
            }
            let response = assert_status(response, StatusCode::ACCEPTED).await?;
            let path = response.headers()["location"].to_str().unwrap().to_owned();
            pending.path.insert(path).clone()
        };
        let url = format!("{}{path}", api.origin);
        let response = assert_status(api.http.get(url).send().await?, StatusCode::OK).await?;
        let job: Value = response.json().await?;
        if job["finished"].is_null() {
            return Ok(());
        }
        assert_eq!(job["state"], "done", "{job}");
        assert_eq!(job["done"], pending.members.len(), "{job}");
        for member in &pending.members {
            self.images[*member].made();
        }
        self.tally.jobs += 1;
        self.pending = None;
        Ok(())
    }

    /// Each image is one of what it may be, and from now on that alone, unless a job goes on.
    fn check(&mut self, found: &BTreeMap<&str, Labels>, server: &Running) {
        let pending = self.pending.as_ref();
        let members: HashSet<usize> = pending.map_or_else(HashSet::new, |pending| {
            pending.members.iter().copied().collect()
        });
        for (index, image) in self.images.iter_mut().enumerate() {
            let is = found.get(&*image.id).cloned();
            let may_be = &image.may_be;
            let id = &image.id;
            assert!(
                may_be.contains(&is),
                "{id} is {is:?}, and may be {may_be:?}\n{}",
                server.report()
            );
            if !members.contains(&index) {
                image.may_be = vec![is];
            }
        }
    }
}
