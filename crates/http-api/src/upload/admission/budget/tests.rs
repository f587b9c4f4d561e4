use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

fn client(number: u8) -> ClientKey {
    ClientKey::from_address([127, 0, 0, number].into())
}

/// Uploads of which each asks for more until it holds what it needs.
struct Simulation {
    budget: Budget,
    /// Those that are read.
    reading: Vec<Reading>,
    /// What is kept of those that have been read, and by whom.
    kept: Vec<(ClientKey, u64)>,
    refused: usize,
}

struct Reading {
    ticket: Ticket,
    client: ClientKey,
    need: u64,
    brought: u64,
    outcome: Option<oneshot::Receiver<Result<(), Overloaded>>>,
}

impl Simulation {
    fn new(total: u64) -> Self {
        Self {
            budget: Budget::new(total),
            reading: Vec::new(),
            kept: Vec::new(),
            refused: 0,
        }
    }

    fn enter(&mut self, client: ClientKey, need: u64) -> Ticket {
        let ticket = self.budget.enter(client, need);
        self.reading.push(Reading {
            ticket,
            client,
            need: need.min(self.budget.total),
            brought: 0,
            outcome: None,
        });
        ticket
    }

    /// Whether an upload can go on, once its latest wish is looked after.
    fn is_going(&mut self, at: usize) -> bool {
        let reading = &mut self.reading[at];
        let Some(outcome) = &mut reading.outcome else {
            return true;
        };
        match outcome.try_recv() {
            Ok(Ok(())) => {
                reading.outcome = None;
                true
            }
            Ok(Err(Overloaded)) => {
                self.refused += 1;
                self.abort(at);
                false
            }
            Err(_) => false,
        }
    }

    /// Brings so many bytes more of an upload. True if there was room at once.
    fn bring(&mut self, at: usize, bytes: u64) -> bool {
        let reading = &mut self.reading[at];
        let target = (reading.brought + bytes).min(reading.need);
        reading.brought = target;
        let answer = self.budget.ask(reading.ticket, target);
        if let Answer::Queued(outcome) = answer {
            reading.outcome = Some(outcome);
        }
        self.check();
        at < self.reading.len() && self.is_going(at)
    }

    fn bring_all(&mut self, ticket: Ticket, bytes: u64) -> bool {
        let at = self.place(ticket);
        self.bring(at, bytes)
    }

    /// Brings an upload up to so many bytes, or until it has to wait.
    fn fill(&mut self, ticket: Ticket, most: u64) {
        while self.bring_all(ticket, MIB / 2) && self.reading[self.place(ticket)].brought < most {}
    }

    fn place(&self, ticket: Ticket) -> usize {
        self.reading
            .iter()
            .position(|it| it.ticket == ticket)
            .unwrap()
    }

    /// Ends an upload that is whole.
    fn finish(&mut self, at: usize, kept: u64) {
        let reading = self.reading.remove(at);
        let kept = self.budget.finish(reading.ticket, kept);
        self.kept.push((reading.client, kept));
        self.check();
    }

    fn abort(&mut self, at: usize) {
        let reading = self.reading.remove(at);
        self.budget.leave(reading.ticket);
        self.check();
    }

    fn give_back(&mut self, at: usize) {
        let (client, kept) = self.kept.remove(at);
        self.budget.give_back(client, kept);
        self.check();
    }

    /// The sums are right, and the budget is not exceeded.
    fn check(&self) {
        let budget = &self.budget;
        let kept: u64 = self.kept.iter().map(|(_, kept)| kept).sum();
        let reading: u64 = budget.uploads.values().map(|upload| upload.held).sum();
        assert!(kept + reading <= budget.total);
        assert_eq!(budget.read, kept);
        let reserved = budget.reserved.map_or(0, |it| budget.uploads[&it].need);
        assert_eq!(budget.pool + reserved, kept + reading);
        let clients: u64 = budget.clients.values().map(|client| client.held).sum();
        assert_eq!(clients, kept + reading);
        assert!(budget.uploads.values().all(|it| it.held <= it.need));
    }

    /// Lets all uploads make progress until none can.
    fn run_out(&mut self) {
        loop {
            let mut has_moved = false;
            let mut at = 0;
            while at < self.reading.len() {
                let before = self.reading.len();
                if self.is_going(at) {
                    has_moved = true;
                    if self.reading[at].brought == self.reading[at].need {
                        let kept = self.reading[at].need / 2;
                        self.finish(at, kept);
                    } else {
                        self.bring(at, MIB);
                    }
                }
                at += usize::from(self.reading.len() == before);
            }
            if let Some(last) = self.kept.len().checked_sub(1) {
                has_moved = true;
                self.give_back(last);
            }
            if !has_moved {
                return;
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter { client: u8, need: u64 },
    Bring { upload: usize, bytes: u64 },
    Finish { upload: usize },
    Abort { upload: usize },
    GiveBack { kept: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = any::<prop::sample::Index>;
    let index = move || any().prop_map(|index| index.index(1 << 20));
    let need = prop_oneof![1..100_000u64, 1..40 * MIB, Just(u64::MAX)];
    let step = prop_oneof![
        3 => (0..4u8, need).prop_map(|(client, need)| Step::Enter { client, need }),
        8 => (index(), prop_oneof![Just(1), 1..MIB, 1..20 * MIB])
            .prop_map(|(upload, bytes)| Step::Bring { upload, bytes }),
        1 => index().prop_map(|upload| Step::Finish { upload }),
        1 => index().prop_map(|upload| Step::Abort { upload }),
        1 => index().prop_map(|kept| Step::GiveBack { kept }),
    ];
    prop::collection::vec(step, 0..200)
}

fn perform(simulation: &mut Simulation, step: &Step) {
    let uploads = simulation.reading.len();
    match *step {
        Step::Enter {
            client: number,
            need,
        } => {
            simulation.enter(client(number), need);
        }
        Step::Bring { upload, bytes } if uploads > 0 && simulation.is_going(upload % uploads) => {
            simulation.bring(upload % uploads, bytes);
        }
        Step::Finish { upload } if uploads > 0 => {
            let at = upload % uploads;
            if simulation.is_going(at) {
                simulation.finish(at, MIB);
            }
        }
        Step::Abort { upload } if uploads > 0 => simulation.abort(upload % uploads),
        Step::GiveBack { kept } if !simulation.kept.is_empty() => {
            simulation.give_back(kept % simulation.kept.len());
        }
        _ => {}
    }
}

proptest! {
    /// Whatever happened, all end once those that are read go on and those that have been read are done.
    #[test]
    fn there_is_no_deadlock_and_the_budget_is_never_exceeded(
        total in prop_oneof![Just(100_000), Just(26 * MIB), Just(256 * MIB)],
        steps in steps(),
    ) {
        let mut simulation = Simulation::new(total);
        for step in &steps {
            perform(&mut simulation, step);
        }
        simulation.run_out();
        prop_assert!(simulation.reading.is_empty());
        prop_assert_eq!(simulation.refused, 0);
        prop_assert_eq!(simulation.budget.pool, 0);
        prop_assert!(simulation.budget.clients.is_empty());
        prop_assert!(simulation.budget.needs.is_empty());
    }
}

#[test]
fn uploads_that_bring_nothing_keep_nobody_out() {
    let mut simulation = Simulation::new(256 * MIB);
    for _ in 0..500 {
        let slow = simulation.enter(client(1), 27 * MIB);
        assert!(simulation.bring_all(slow, MIB / 4));
    }
    let ordinary = simulation.enter(client(1), MIB);
    assert!(simulation.bring_all(ordinary, MIB / 8));
}

#[test]
fn a_client_leaves_room_for_the_next() {
    let mut simulation = Simulation::new(256 * MIB);
    for _ in 0..40 {
        let slow = simulation.enter(client(1), 27 * MIB);
        simulation.fill(slow, 26 * MIB);
    }
    let other = simulation.enter(client(2), 10 * MIB);
    for _ in 0..20 {
        assert!(simulation.bring_all(other, MIB / 2));
    }
}

#[test]
fn a_client_alone_may_use_nearly_all() {
    let mut simulation = Simulation::new(256 * MIB);
    for _ in 0..20 {
        let upload = simulation.enter(client(1), 20 * MIB);
        simulation.fill(upload, 20 * MIB);
    }
    let held: u64 = simulation.budget.uploads.values().map(|it| it.held).sum();
    assert!(held > 220 * MIB, "{held}");
}

#[test]
fn a_client_over_its_share_waits_while_another_goes_first() {
    let mut simulation = Simulation::new(256 * MIB);
    for _ in 0..40 {
        let greedy = simulation.enter(client(1), 27 * MIB);
        simulation.fill(greedy, 26 * MIB);
    }
    let modest: Vec<_> = (0..10)
        .map(|_| simulation.enter(client(2), 27 * MIB))
        .collect();
    for &ticket in &modest {
        simulation.fill(ticket, 26 * MIB);
    }
    let reserved = simulation.budget.reserved.unwrap();
    let at = simulation.place(reserved);
    simulation.finish(at, 0);
    let next = simulation.budget.reserved.unwrap();
    assert!(modest.contains(&next));
}

/// Of one client, the upload that is furthest along.
#[test]
fn the_reservation_goes_to_the_upload_that_holds_most() {
    let mut simulation = Simulation::new(100 * MIB);
    let tickets: Vec<_> = (0..30)
        .map(|_| simulation.enter(client(1), 20 * MIB))
        .collect();
    for (brought, &ticket) in (1..).zip(&tickets) {
        simulation.bring_all(ticket, brought * MIB / 4);
    }
    for &ticket in &tickets {
        simulation.fill(ticket, 20 * MIB);
    }
    let reserved = simulation.budget.reserved.unwrap();
    let uploads = &simulation.budget.uploads;
    let waiting = uploads.iter().filter(|(_, upload)| upload.wish.is_some());
    let (&furthest, _) = waiting
        .max_by_key(|(ticket, upload)| (upload.held, Reverse(**ticket)))
        .unwrap();
    let at = simulation.place(reserved);
    simulation.abort(at);
    assert!(simulation.budget.is_reserved(furthest));
}

#[test]
fn many_may_wait_but_not_all() {
    let mut simulation = Simulation::new(MIB);
    let first = simulation.enter(client(1), MIB);
    assert!(simulation.bring_all(first, 1));
    for _ in 0..MAX_WAITING {
        let waiting = simulation.enter(client(1), MIB);
        assert!(!simulation.bring_all(waiting, 1));
    }
    assert_eq!(simulation.refused, 0);
    let late = simulation.enter(client(1), MIB);
    assert!(!simulation.bring_all(late, 1));
    assert_eq!(simulation.refused, 1);
}

#[test]
fn a_client_with_few_waiting_replaces_one_of_a_client_with_many() {
    let mut simulation = Simulation::new(MIB);
    let first = simulation.enter(client(1), MIB);
    assert!(simulation.bring_all(first, 1));
    for _ in 0..MAX_WAITING {
        let waiting = simulation.enter(client(1), MIB);
        assert!(!simulation.bring_all(waiting, 1));
    }
    let last = simulation.reading.len() - 1;
    let other = simulation.enter(client(2), MIB);
    assert!(!simulation.bring_all(other, 1));
    assert_eq!(simulation.refused, 0);
    assert!(!simulation.is_going(last));
    assert_eq!(simulation.refused, 1);
    assert_eq!(simulation.place(other), last);
}
