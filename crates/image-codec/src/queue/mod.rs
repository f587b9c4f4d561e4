//! The scheduler: weighted fair queueing over clients, with turns and memory.
//!
//! Between clients, the one that has been served least goes first. Within a client, work is ordered by its
//! arrival in virtual time plus its cost, so that cheap work overtakes expensive work, but only if it
//! arrives before as much work as the expensive one's has been done. Thus work finishes, in virtual time,
//! when it would finish if all clients were served concurrently at equal speed; the earliest finish goes
//! first. Virtual time advances with every unit of work, and nothing that arrives starts before it: all
//! queued work eventually becomes first.
//!
//! Besides the turns for all work there is one for cheap work alone, in which the cheapest goes first:
//! neither expensive work on all cores nor a mass of work from the same client delays an ordinary picture.
//! Work that is passed over there keeps its position for the other turns. If the first in the queue cannot
//! get its memory, nothing behind it may take any, except that small work has a reserve, from which it
//! overtakes for a bounded virtual time. Work without memory is never delayed by memory: pictures that are
//! held can always be encoded and dropped.
//!
//! This module has no clock, no threads and no locks: [`Turns`] adds them.

mod clients;
mod memory;
mod turns;

use std::collections::{BTreeMap, HashMap};

use domain::ports::ClientKey;

use self::{
    clients::{Clients, Virtual, virtual_units},
    memory::{Memory, Portion},
};

pub(crate) use self::turns::{MemoryShare, Turn, Turns};

/// The limits of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueRules {
    /// How much work runs concurrently, not counting the turn for cheap work.
    pub(crate) turns: usize,
    /// Bytes of memory for all running work and its results.
    pub(crate) memory: u64,
    /// Most units of cheap work.
    pub(crate) cheap: u64,
    /// For how many units of virtual time small work overtakes the first in the queue while that lacks
    /// memory.
    pub(crate) overtake_limit: u64,
    /// The capacity of the queue.
    pub(crate) waiting: usize,
}

/// The requirements of some work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// The client that the work is for.
    pub(crate) client: ClientKey,
    /// The expected units of work.
    pub(crate) cost: u64,
    /// Bytes of memory; more than the whole budget waits forever.
    pub(crate) bytes: u64,
}

/// Identifies queued work; increasing.
type Ticket = u64;

/// Queued and running work.
#[derive(Debug)]
struct Queue<T> {
    rules: QueueRules,
    taken: usize,
    is_cheap_turn_taken: bool,
    memory: Memory,
    clients: Clients,
    waiting: BTreeMap<Ticket, Entry<T>>,
    next: Ticket,
    /// The ticket that was last blocked at the front for lack of memory, and the virtual time at which that
    /// started.
    blocked: Option<(Ticket, Virtual)>,
}

#[derive(Debug)]
struct Entry<T> {
    demand: Demand,
    arrival: Virtual,
    waiter: T,
}

/// Permission to run.
#[derive(Debug)]
struct Permit {
    client: ClientKey,
    expected: u64,
    lane: Lane,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    All,
    Cheap,
}

impl<T> Queue<T> {
    fn new(rules: QueueRules) -> Self {
        Self {
            rules,
            taken: 0,
            is_cheap_turn_taken: false,
            memory: Memory::new(rules.memory),
            clients: Clients::default(),
            waiting: BTreeMap::new(),
            next: 0,
            blocked: None,
        }
    }

    /// Queues some work. If that exceeds the capacity, returns the waiter of the evicted work.
    fn enter(&mut self, demand: Demand, waiter: T) -> (Ticket, Option<T>) {
        let ticket = self.next;
        self.next += 1;
        let cost = demand.cost.max(1);
        let entry = Entry {
            demand: Demand { cost, ..demand },
            arrival: self.clients.enter(demand.client),
            waiter,
        };
        self.waiting.insert(ticket, entry);
        let is_full = self.waiting.len() > self.rules.waiting;
        let last = is_full.then(|| self.most_dispensable()).flatten();
        (ticket, last.and_then(|ticket| self.leave(ticket)))
    }

    /// Removes some work from the queue, if it is still there.
    fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let entry = self.waiting.remove(&ticket)?;
        self.clients.leave(entry.demand.client);
        Some(entry.waiter)
    }

    /// Starts the next work with its memory, if there is a free turn.
    fn admit(&mut self) -> Option<(T, Permit, Portion)> {
        let lane = self.free_lane()?;
        let (ticket, portion) = self.pick(lane)?;
        let Entry { demand, waiter, .. } = self.waiting.remove(&ticket)?;
        self.clients.charge(demand.client, demand.cost);
        self.set_taken(lane, true);
        let permit = Permit {
            client: demand.client,
            expected: demand.cost,
            lane,
        };
        Some((waiter, permit, portion))
    }

    /// Ends a turn. The client is charged the actual cost, if known.
    fn end(&mut self, permit: &Permit, spent: Option<u64>) {
        let spent = spent.unwrap_or(permit.expected);
        self.clients.settle(permit.client, permit.expected, spent);
        self.clients.leave(permit.client);
        self.set_taken(permit.lane, false);
    }

    fn give_back(&mut self, portion: &Portion) {
        self.memory.give_back(portion);
    }

    fn free_lane(&self) -> Option<Lane> {
        if self.taken < self.rules.turns {
            Some(Lane::All)
        } else if self.is_cheap_turn_taken {
            None
        } else {
            Some(Lane::Cheap)
        }
    }

    fn set_taken(&mut self, lane: Lane, is_taken: bool) {
        match lane {
            Lane::All if is_taken => self.taken += 1,
            Lane::All => self.taken -= 1,
            Lane::Cheap => self.is_cheap_turn_taken = is_taken,
        }
    }

    /// The next work for that turn, and its memory.
    fn pick(&mut self, lane: Lane) -> Option<(Ticket, Portion)> {
        if lane == Lane::Cheap && !self.waiting.values().any(|entry| self.is_cheap(entry)) {
            return None;
        }
        let order = self.order();
        let blocked_since = self.blocked_since(*order.first()?);
        let candidates = match lane {
            Lane::All => order,
            Lane::Cheap => self.cheapest_first(order),
        };
        candidates.into_iter().find_map(|ticket| {
            let bytes = self.waiting.get(&ticket)?.demand.bytes;
            let portion = self.portion(bytes, blocked_since)?;
            Some((ticket, portion))
        })
    }

    /// Memory for some work. `blocked_since` is when the front of the queue was blocked.
    fn portion(&mut self, bytes: u64, blocked_since: Option<Virtual>) -> Option<Portion> {
        let overtake_limit = virtual_units(self.rules.overtake_limit);
        match blocked_since {
            _ if bytes == 0 => Some(Portion::default()),
            None => self.memory.take(bytes),
            Some(since) if self.clients.now() <= since + overtake_limit => {
                self.memory.take_of_reserve(bytes)
            }
            Some(_) => None,
        }
    }

    /// The virtual time since which the front of the queue is blocked, unless it gets its memory.
    fn blocked_since(&mut self, first: Ticket) -> Option<Virtual> {
        let bytes = self.waiting.get(&first)?.demand.bytes;
        let since = match self.blocked {
            _ if self.memory.has(bytes) => return None,
            Some((ticket, since)) if ticket == first => since,
            _ => self.clients.now(),
        };
        self.blocked = Some((first, since));
        Some(since)
    }

    fn cheapest_first(&self, order: Vec<Ticket>) -> Vec<Ticket> {
        let cheap = order.into_iter().filter_map(|ticket| {
            let entry = self.waiting.get(&ticket)?;
            self.is_cheap(entry).then_some((entry.demand.cost, ticket))
        });
        let mut cheap: Vec<_> = cheap.collect();
        cheap.sort_by_key(|&(cost, _)| cost);
        cheap.into_iter().map(|(_, ticket)| ticket).collect()
    }

    fn is_cheap(&self, entry: &Entry<T>) -> bool {
        entry.demand.cost <= self.rules.cheap
    }

    /// All queued work, in order of virtual finish time.
    fn order(&self) -> Vec<Ticket> {
        let mut order: Vec<_> = self
            .waiting
            .iter()
            .map(|(&ticket, entry)| {
                let Demand { client, cost, .. } = entry.demand;
                (client, entry.arrival + virtual_units(cost), ticket, cost)
            })
            .collect();
        order.sort_unstable();
        let mut ends = HashMap::new();
        let mut order: Vec<_> = order
            .into_iter()
            .map(|(client, _, ticket, cost)| {
                let end = ends
                    .entry(client)
                    .or_insert_with(|| self.clients.served(client));
                *end += virtual_units(cost);
                (*end, ticket)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, ticket)| ticket).collect()
    }

    /// The last work of the client with the most in the queue.
    fn most_dispensable(&self) -> Option<Ticket> {
        let mut counts = HashMap::<ClientKey, usize>::new();
        for entry in self.waiting.values() {
            *counts.entry(entry.demand.client).or_default() += 1;
        }
        let most = counts.values().max()?;
        let is_of_most = |ticket: &Ticket| {
            let entry = self.waiting.get(ticket);
            entry.and_then(|entry| counts.get(&entry.demand.client)) == Some(most)
        };
        self.order().into_iter().rev().find(is_of_most)
    }
}

#[cfg(test)]
mod tests;
