//! Kills the server at random instants, again and again: nothing is lost, nothing stays public.
//!
//! A round starts the binary, checks what the previous round left, lets several clients post, and ends the
//! server meanwhile. The checks are in [`checks`]. A few rounds run with the other tests;
//! `scripts/crash-test` runs any number, and can cut the power instead of killing.

mod changes;
mod checks;
mod disk;
mod load;
mod repetition;
pub mod site;

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};
use rstest::rstest;

use self::{
    load::{Ledger, Load},
    site::{Ending, Fixture},
};
use super::database::Kind;

/// Rounds by default; `ETIQUETA_CRASH_ROUNDS` overrides it.
const ROUNDS: u64 = 6;

/// The longest time from the first post to the end, in milliseconds.
const LONGEST: u64 = 400;

/// A thorough check runs every so many rounds.
const THOROUGH: u64 = 10;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
    )
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_left_public(#[case] kind: Kind) {
    let rounds = number("ETIQUETA_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed =
        number("ETIQUETA_CRASH_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!("{kind:?}: {rounds} rounds with the seed {seed}");
    let mut run = Run {
        site: Fixture::create(kind, Ending::from_environment()).await,
        ledger: Ledger::default(),
        seed,
        began: Instant::now(),
    };
    for round in 0..rounds {
        run.round(round).await;
        if (round + 1).is_multiple_of(THOROUGH) {
            println!("{}", run.summary(round + 1));
        }
    }
    run.last_check().await;
    println!("no finding: {}", run.summary(rounds));
}

struct Run {
    site: Fixture,
    ledger: Ledger,
    seed: u64,
    began: Instant,
}

impl Run {
    /// Everything in a round follows from the seed and the number of the round, except timing.
    async fn round(&mut self, round: u64) {
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(round << 32));
        let place = format!("seed {}, round {round}", self.seed);
        if rng.random_ratio(1, 10) {
            let delay = Duration::from_millis(rng.random_range(0..150));
            self.site.end_while_starting(delay).await;
        }
        let mut server = self.site.start(&place).await;
        checks::after_restart(&server, &mut self.ledger, &mut rng).await;
        if round.is_multiple_of(THOROUGH) {
            checks::no_original_is_left_over(&server, &mut self.ledger).await;
        }
        self.site
            .set_latency(Duration::from_millis(rng.random_range(0..30)));
        let load = Load::start(&server, &self.ledger, &mut rng);
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..LONGEST * 1000))).await;
        let left = self.site.end(&mut server);
        load.collect(&mut self.ledger, &server, self.site.is_power_cut())
            .await;
        self.ledger.note(left);
    }

    async fn last_check(&mut self) {
        let place = format!("seed {}, last check", self.seed);
        let server = self.site.start(&place).await;
        let mut rng = StdRng::seed_from_u64(self.seed);
        checks::after_restart(&server, &mut self.ledger, &mut rng).await;
        checks::everything(&server, &mut self.ledger).await;
        checks::no_original_is_left_over(&server, &mut self.ledger).await;
    }

    fn summary(&self, rounds: u64) -> String {
        format!(
            "{rounds} rounds in {:.0?}, seed {}: {}",
            self.began.elapsed(),
            self.seed,
            self.ledger
        )
    }
}
