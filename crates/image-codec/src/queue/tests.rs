//! The queue in simulated time: each turn does a unit of work in a unit of time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use proptest::prelude::*;

use super::*;

/// The cost of an ordinary picture, and of an expensive one.
const ORDINARY: u64 = 70;
const EXPENSIVE: u64 = 2000;

const RULES: QueueRules = QueueRules {
    turns: 2,
    memory: 800,
    cheap: 200,
    overtake_limit: EXPENSIVE,
    waiting: 1000,
};

fn client(number: usize) -> ClientKey {
    let [high, low, ..] = number.to_le_bytes();
    ClientKey::from_address([127, 0, low, high].into())
}

fn demand(from: usize, cost: u64, bytes: u64) -> Demand {
    Demand {
        client: client(from),
        cost,
        bytes,
    }
}

/// A queue whose work runs in simulated time, and frees its memory at the end.
struct Simulation {
    queue: Queue<usize>,
    now: u64,
    running: BinaryHeap<Reverse<(u64, usize)>>,
    held: HashMap<usize, (Permit, Portion)>,
    ended: HashMap<usize, u64>,
    entered: usize,
}

impl Simulation {
    fn new(rules: QueueRules) -> Self {
        Self {
            queue: Queue::new(rules),
            now: 0,
            running: BinaryHeap::new(),
            held: HashMap::new(),
            ended: HashMap::new(),
            entered: 0,
        }
    }

    /// Queues some work. Returns its name.
    fn enter(&mut self, demand: Demand) -> usize {
        self.entered += 1;
        let (_, refused) = self.queue.enter(demand, self.entered);
        assert_eq!(refused, None);
        self.start();
        self.entered
    }

    fn start(&mut self) {
        while let Some((name, permit, portion)) = self.queue.admit() {
            let end = self.now + permit.expected;
            self.running.push(Reverse((end, name)));
            self.held.insert(name, (permit, portion));
        }
        assert!(self.running.len() <= self.queue.rules.turns + 1);
    }

    /// Advances to the next end of some work. `false` if there is none.
    fn step(&mut self) -> bool {
        let Some(Reverse((end, name))) = self.running.pop() else {
            return false;
        };
        self.now = end;
        let (permit, portion) = self.held.remove(&name).unwrap();
        self.queue.end(&permit, None);
        self.queue.give_back(&portion);
        self.ended.insert(name, end);
        self.start();
        true
    }

    /// Advances to that time; running work keeps running.
    fn run_until(&mut self, time: u64) {
        while matches!(self.running.peek(), Some(Reverse((end, _))) if *end <= time) {
            self.step();
        }
        self.now = time;
    }

    fn run(&mut self) {
        while self.step() {}
        assert!(self.queue.waiting.is_empty(), "nothing waits for ever");
    }

    /// How long some work takes from now until it ends.
    fn time_for(&mut self, demand: Demand) -> u64 {
        let (name, began) = (self.enter(demand), self.now);
        while !self.ended.contains_key(&name) {
            assert!(self.step(), "it is stuck");
        }
        self.ended[&name] - began
    }
}

#[test]
fn ordinary_picture_does_not_wait_for_expensive_ones() {
    for from in [1, 2] {
        let mut simulation = Simulation::new(RULES);
        for _ in 0..10 {
            simulation.enter(demand(1, EXPENSIVE, 0));
        }
        simulation.run_until(EXPENSIVE / 2);
        assert_eq!(simulation.time_for(demand(from, ORDINARY, 10)), ORDINARY);
        simulation.run();
    }
}

#[test]
fn medium_picture_waits_for_the_next_turn_only() {
    let medium = RULES.cheap + 1;
    for from in [1, 2] {
        let mut simulation = Simulation::new(RULES);
        for _ in 0..10 {
            simulation.enter(demand(1, EXPENSIVE, 0));
        }
        assert_eq!(
            simulation.time_for(demand(from, medium, 10)),
            EXPENSIVE + medium
        );
    }
}

#[test]
fn ordinary_picture_gets_its_share_behind_many_clients() {
    let mut simulation = Simulation::new(RULES);
    for number in 0..200 {
        // None of them is cheap enough for the cheap turn.
        let cost = RULES.cheap + 1 + number as u64 % 21 * 90;
        simulation.enter(demand(number, cost, 0));
    }
    simulation.run_until(10_000);
    let medium = RULES.cheap + 1;
    let time = simulation.time_for(demand(1000, medium, 10));
    assert!(time < 5000, "{time}");
}

/// Neither their number nor their age gives an advantage to those just cheap enough.
#[test]
fn ordinary_picture_overtakes_hundreds_of_its_client() {
    let mut simulation = Simulation::new(RULES);
    for number in 0..200 {
        let cost = ORDINARY + 10 + number % 21 * 90;
        simulation.enter(demand(1, cost, 50));
    }
    for time in [1_000, 20_000, 50_000] {
        simulation.run_until(time);
        let time = simulation.time_for(demand(1, ORDINARY, 50));
        assert!(time <= RULES.cheap + ORDINARY, "{time}");
    }
    simulation.run();
}

#[test]
fn masses_of_cheap_work_do_not_starve_expensive_work() {
    // One client for each, or one for all.
    for is_new in [1, 0] {
        let mut simulation = Simulation::new(QueueRules { turns: 1, ..RULES });
        simulation.enter(demand(0, RULES.cheap, 0));
        let expensive = simulation.enter(demand(0, EXPENSIVE, 0));
        for number in 1..10_000 {
            simulation.enter(demand(number * is_new, RULES.cheap, 0));
            if simulation.now < number as u64 * RULES.cheap / 2 {
                simulation.step();
            }
            if simulation.ended.contains_key(&expensive) {
                break;
            }
        }
        let end = simulation.ended.get(&expensive).expect("it had its turn");
        assert!(*end < 20 * EXPENSIVE, "{end}");
    }
}

#[test]
fn clients_share_the_turns_evenly() {
    let mut simulation = Simulation::new(QueueRules { cheap: 0, ..RULES });
    let expensive: Vec<_> = (0..5)
        .map(|_| simulation.enter(demand(1, EXPENSIVE, 0)))
        .collect();
    let cheap: Vec<_> = (0..50)
        .map(|_| simulation.enter(demand(2, EXPENSIVE / 10, 0)))
        .collect();
    simulation.run();
    let half = 5 * EXPENSIVE / 2;
    let done = |names: &[usize]| {
        names
            .iter()
            .filter(|name| simulation.ended[name] <= half)
            .count()
    };
    assert!((1..=3).contains(&done(&expensive)), "{}", done(&expensive));
    assert!((20..=40).contains(&done(&cheap)), "{}", done(&cheap));
}

#[test]
fn a_client_that_comes_one_by_one_has_no_advantage() {
    let mut simulation = Simulation::new(QueueRules { turns: 1, ..RULES });
    let patient: Vec<_> = (0..10)
        .map(|_| simulation.enter(demand(1, 1000, 0)))
        .collect();
    for _ in 0..10 {
        simulation.time_for(demand(2, 1000, 0));
    }
    let done = patient
        .iter()
        .filter(|name| simulation.ended.contains_key(name))
        .count();
    assert!((8..=10).contains(&done), "{done}");
}

#[test]
fn nothing_overtakes_work_that_waits_for_memory() {
    let mut simulation = Simulation::new(RULES);
    simulation.enter(demand(1, EXPENSIVE, 500));
    let first = simulation.enter(demand(2, 500, 400));
    let second = simulation.enter(demand(3, 600, 150));
    simulation.run();
    assert_eq!(simulation.ended[&first], EXPENSIVE + 500);
    assert_eq!(simulation.ended[&second], EXPENSIVE + 600);
}

#[test]
fn small_work_overtakes_blocked_work_by_the_reserve() {
    let mut simulation = Simulation::new(RULES);
    simulation.enter(demand(1, EXPENSIVE, 500));
    simulation.enter(demand(2, 500, 400));
    assert_eq!(simulation.time_for(demand(2, ORDINARY, 100)), ORDINARY);
    assert_eq!(simulation.time_for(demand(3, ORDINARY, 100)), ORDINARY);
    simulation.run();
}

#[test]
fn small_work_overtakes_one_large_work_after_the_other() {
    let mut simulation = Simulation::new(RULES);
    for _ in 0..10 {
        simulation.enter(demand(1, EXPENSIVE, 500));
    }
    for turn in 0..9 {
        simulation.run_until(turn * EXPENSIVE + EXPENSIVE / 2);
        assert_eq!(simulation.time_for(demand(1, ORDINARY, 100)), ORDINARY);
    }
    simulation.run();
}

#[test]
fn held_small_work_does_not_block_large_work_forever() {
    let mut queue = Queue::new(RULES);
    queue.enter(demand(0, 10, 100), 0);
    let (_, permit, mut oldest) = queue.admit().unwrap();
    queue.end(&permit, None);
    // All of the memory, so that each held picture blocks it.
    queue.enter(demand(1, EXPENSIVE, RULES.memory), usize::MAX);
    for number in 2..10_000 {
        queue.enter(demand(number, 100, 100), number);
        let Some((name, permit, portion)) = queue.admit() else {
            queue.give_back(&oldest);
            assert_eq!(queue.admit().unwrap().0, usize::MAX);
            return;
        };
        assert_eq!(name, number);
        queue.end(&permit, None);
        queue.give_back(&std::mem::replace(&mut oldest, portion));
    }
    panic!("it was never its turn");
}

#[test]
fn work_without_memory_is_not_held_up_by_memory() {
    let mut simulation = Simulation::new(RULES);
    simulation.enter(demand(1, 10 * EXPENSIVE, RULES.memory));
    simulation.enter(demand(1, 10, RULES.memory));
    assert_eq!(simulation.time_for(demand(1, EXPENSIVE, 0)), EXPENSIVE);
}

#[test]
fn actual_cost_replaces_the_expected_one() {
    let mut queue = Queue::new(QueueRules { turns: 1, ..RULES });
    queue.enter(demand(1, EXPENSIVE, 0), 1);
    queue.enter(demand(2, EXPENSIVE, 0), 2);
    let (name, permit, _) = queue.admit().unwrap();
    assert_eq!(name, 1);
    queue.end(&permit, Some(1));
    queue.enter(demand(1, EXPENSIVE - 2, 0), 3);
    assert_eq!(queue.admit().unwrap().0, 3);
}

#[test]
fn work_that_leaves_costs_nothing() {
    let mut queue = Queue::new(QueueRules { turns: 1, ..RULES });
    for name in 0..50 {
        let (ticket, _) = queue.enter(demand(1, EXPENSIVE, 0), name);
        assert_eq!(queue.leave(ticket), Some(name));
        assert_eq!(queue.leave(ticket), None);
    }
    queue.enter(demand(2, EXPENSIVE, 0), 100);
    queue.enter(demand(1, EXPENSIVE - 1, 0), 101);
    assert_eq!(queue.admit().unwrap().0, 101);
}

#[test]
fn full_queue_evicts_the_last_of_the_busiest_client() {
    let rules = QueueRules {
        turns: 0,
        waiting: 6,
        ..RULES
    };
    let mut queue = Queue::new(rules);
    let large = |from, cost| demand(from, RULES.cheap + cost, 0);
    for (name, cost) in [10, 30, 20].into_iter().enumerate() {
        assert_eq!(queue.enter(large(1, cost), name).1, None);
    }
    for name in 3..6 {
        assert_eq!(queue.enter(large(name, 5), name).1, None);
    }
    let refused: Vec<_> = (6..10)
        .map(|name| queue.enter(large(name, 40), name).1)
        .collect();
    // If no client has more than another, the last in the queue is evicted.
    assert_eq!(refused, [Some(1), Some(2), Some(8), Some(9)]);
    assert_eq!(queue.enter(large(1, 50), 10).1, Some(10));
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Enter { from: usize, cost: u64, bytes: u64 },
    Leave(usize),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let cost = prop_oneof![0..RULES.cheap, RULES.cheap..=EXPENSIVE];
    let bytes = prop_oneof![Just(0), 0..=RULES.memory / 8, 0..=RULES.memory];
    let enter = (0..6_usize, cost, bytes).prop_map(|(from, cost, bytes)| Event::Enter {
        from,
        cost,
        bytes,
    });
    let leave = (0..100_usize).prop_map(Event::Leave);
    let pass = (0..3 * ORDINARY).prop_map(Event::Pass);
    prop::collection::vec(prop_oneof![4 => enter, 1 => leave, 2 => pass], 1..120)
}

proptest! {
    #[test]
    fn memory_and_turns_are_never_exceeded_and_all_work_ends(events in events()) {
        let mut simulation = Simulation::new(RULES);
        let mut left = 0;
        for event in events {
            match event {
                Event::Enter { from, cost, bytes } => {
                    simulation.enter(demand(from, cost, bytes));
                }
                Event::Leave(which) => {
                    let ticket = simulation.queue.waiting.keys().nth(which).copied();
                    let gone = ticket.and_then(|ticket| simulation.queue.leave(ticket));
                    left += usize::from(gone.is_some());
                    simulation.start();
                }
                Event::Pass(time) => simulation.run_until(simulation.now + time),
            }
            let used = simulation.queue.memory.used();
            prop_assert!(used <= RULES.memory);
            let running = simulation.running.len();
            let idle = running < RULES.turns && used == 0;
            prop_assert!(!idle || simulation.queue.waiting.is_empty(), "no turn is left unused");
        }
        simulation.run();
        prop_assert_eq!(simulation.ended.len() + left, simulation.entered);
        prop_assert_eq!(simulation.queue.memory.used(), 0);
        prop_assert_eq!(simulation.queue.taken, 0);
        prop_assert!(simulation.queue.clients.is_empty());
    }

    /// As if it had its share of the turns for itself, after the work that had started before.
    #[test]
    fn work_ends_no_later_than_with_a_fair_share(
        hostile in prop::collection::vec((0..5_usize, 1..=EXPENSIVE), 1..200),
        costs in prop::collection::vec(1..=EXPENSIVE, 1..5),
        after in 0..3 * EXPENSIVE,
    ) {
        let mut simulation = Simulation::new(RULES);
        for (from, cost) in hostile {
            simulation.enter(demand(from, cost, 0));
        }
        simulation.run_until(after);
        let began = simulation.now;
        let names: Vec<_> = costs.iter().map(|&cost| simulation.enter(demand(9, cost, 0))).collect();
        simulation.run();
        let last = names.iter().map(|name| simulation.ended[name]).max().unwrap();
        let (clients, total) = (6, costs.iter().sum::<u64>());
        prop_assert!(last - began <= clients * total / 2 + 3 * EXPENSIVE, "{}", last - began);
    }
}
