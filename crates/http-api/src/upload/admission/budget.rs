//! The arithmetic of admission: who may take how much memory, and when. No waiting, no threads.
//!
//! An upload knows at its start how much it may *need* at most, and *holds* a part of that, which grows as its
//! bytes arrive. At most one upload has a *reservation*: it holds all it needs. Let `total` be the
//! budget, `pool` what all the others hold (those that have been read and are worked on included), and
//! `largest` the largest need of an upload that is being read.
//!
//! - The pool grows only while `pool + largest <= total`.
//! - An upload gets the reservation only if `pool + its need <= total` without its own part of the pool.
//!
//! Hence the budget is never exceeded, and there is no deadlock: of the uploads that hold something, take the one
//! that grew last in the pool. At that moment all that the others hold now was in the pool already, beside
//! room for `largest`, hence for its need. So it can have the reservation as soon as it is free and those that
//! have been read are done, which they will be without any more of the budget.
//!
//! No upload starves: the reservation goes from client to client in turns (a client that is new begins with the next
//! round), within a client to the upload that holds most, and one that holds less can overtake another of its
//! client only where that could have grown as well.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use domain::ports::ClientKey;
use tokio::{sync::oneshot, time::Instant};

use super::Overloaded;

/// The smallest step by which a part of the budget grows, in bytes.
const STEP: u64 = 64 << 10;

/// Most uploads that may wait without holding anything: their connections have buffers, too.
pub(super) const MAX_WAITING: usize = 512;

/// An upload must leave as much of the pool as it holds, or this part of the budget if that is less: it is
/// for those that begin.
const LEFT_BY_ALL: u64 = 64;

/// A client that holds more than its fair share must leave this part of the budget to others.
const LEFT_BY_LARGE_CLIENTS: u64 = 8;

/// Names an upload that is being read. Later ones are larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What becomes of a wish for more.
pub(super) enum Answer {
    /// It is fulfilled.
    Granted,
    /// It will be, or not: the receiver gets the outcome.
    Queued(oneshot::Receiver<Result<(), Overloaded>>),
}

/// A budget of memory and those who share it.
pub(super) struct Budget {
    total: u64,
    pool: u64,
    /// The part of the pool that belongs to uploads that have been read.
    read: u64,
    reserved: Option<Ticket>,
    uploads: BTreeMap<Ticket, Upload>,
    /// How many of the uploads need so much.
    needs: BTreeMap<u64, usize>,
    clients: HashMap<ClientKey, Client>,
    last_ticket: u64,
    round: u64,
    moved: Instant,
}

/// An upload that is being read.
struct Upload {
    client: ClientKey,
    need: u64,
    held: u64,
    wish: Option<Wish>,
}

/// Growth that is waited for.
struct Wish {
    /// How much the upload wants to hold.
    target: u64,
    outcome: oneshot::Sender<Result<(), Overloaded>>,
}

/// A client with at least one upload.
#[derive(Default)]
struct Client {
    held: u64,
    uploads: usize,
    /// In which round its next reservation is due.
    turn: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            pool: 0,
            read: 0,
            reserved: None,
            uploads: BTreeMap::new(),
            needs: BTreeMap::new(),
            clients: HashMap::new(),
            last_ticket: 0,
            round: 0,
            moved: Instant::now(),
        }
    }

    /// The bytes that uploads hold, and how many wait for more.
    pub(super) fn usage(&self) -> (u64, usize) {
        let waiting = self.uploads.values().filter(|it| it.wish.is_some());
        let reserved = self.reserved.and_then(|ticket| self.uploads.get(&ticket));
        let reserved = reserved.map_or(0, |upload| upload.held);
        (self.pool + reserved, waiting.count())
    }

    /// When room was last given, taken back or used by the reservation.
    pub(super) fn moved(&self) -> Instant {
        self.moved
    }

    /// Notes a new upload, which holds nothing yet. A need beyond the whole budget counts as all of it.
    pub(super) fn enter(&mut self, client: ClientKey, need: u64) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let need = need.min(self.total);
        *self.needs.entry(need).or_default() += 1;
        let turn = self.round + 1;
        let entry = self.clients.entry(client).or_insert_with(|| Client {
            turn,
            ..Client::default()
        });
        entry.uploads += 1;
        let upload = Upload {
            client,
            need,
            held: 0,
            wish: None,
        };
        self.uploads.insert(ticket, upload);
        ticket
    }

    /// Asks that an upload may hold so much, which is never more than it needs.
    pub(super) fn ask(&mut self, ticket: Ticket, target: u64) -> Answer {
        let Some(upload) = self.uploads.get(&ticket) else {
            return Answer::Granted;
        };
        let target = target.min(upload.need);
        if target <= upload.held {
            if self.is_reserved(ticket) {
                self.moved = Instant::now();
            }
            return Answer::Granted;
        }
        let least = target - upload.held;
        let amply = (least + STEP + upload.held / 8).min(upload.need - upload.held);
        if self.grow(ticket, amply) || self.grow(ticket, least) {
            return Answer::Granted;
        }
        self.queue(ticket, target)
    }

    /// Whether that upload has the reservation.
    pub(super) fn is_reserved(&self, ticket: Ticket) -> bool {
        self.reserved == Some(ticket)
    }

    /// An upload has been read: it keeps so much, or all that it holds if that is less, until it is given back.
    pub(super) fn finish(&mut self, ticket: Ticket, kept: u64) -> u64 {
        let Some(upload) = self.uploads.remove(&ticket) else {
            return 0;
        };
        self.forget_need(upload.need);
        let kept = kept.min(upload.held);
        if self.reserved == Some(ticket) {
            self.reserved = None;
        } else {
            self.pool -= upload.held;
        }
        self.pool += kept;
        self.read += kept;
        if let Some(client) = self.clients.get_mut(&upload.client) {
            client.held -= upload.held - kept;
        }
        self.note_movement(upload.held);
        self.settle();
        kept
    }

    /// What an upload kept is free again.
    pub(super) fn give_back(&mut self, client: ClientKey, kept: u64) {
        self.pool -= kept;
        self.read -= kept;
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.held -= kept;
            entry.uploads -= 1;
            if entry.uploads == 0 {
                self.clients.remove(&client);
            }
        }
        self.note_movement(kept);
        self.settle();
    }

    /// An upload has ended before it was read.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(client) = self.uploads.get(&ticket).map(|upload| upload.client) else {
            return;
        };
        self.finish(ticket, 0);
        self.give_back(client, 0);
    }

    fn forget_need(&mut self, need: u64) {
        if let Some(count) = self.needs.get_mut(&need) {
            *count -= 1;
            if *count == 0 {
                self.needs.remove(&need);
            }
        }
    }

    fn largest(&self) -> u64 {
        self.needs.last_key_value().map_or(0, |(&need, _)| need)
    }

    fn note_movement(&mut self, bytes: u64) {
        if bytes > 0 {
            self.moved = Instant::now();
        }
    }

    /// Lets a wish wait. An upload that holds nothing may be refused, or another in its place.
    fn queue(&mut self, ticket: Ticket, target: u64) -> Answer {
        let (outcome, receiver) = oneshot::channel();
        let newcomer = self.uploads.get(&ticket).filter(|upload| upload.held == 0);
        let newcomer = newcomer.map(|upload| upload.client);
        if newcomer.is_some_and(|client| !self.make_way_for(client)) {
            // The receiver is there: it is returned below.
            let _ = outcome.send(Err(Overloaded));
        } else if let Some(upload) = self.uploads.get_mut(&ticket) {
            upload.wish = Some(Wish { target, outcome });
            self.settle();
        }
        Answer::Queued(receiver)
    }

    /// Whether one more upload of a client may begin to wait. Where too many do, the last one of the client with the
    /// most is sent away if that client still has more afterwards.
    fn make_way_for(&mut self, client: ClientKey) -> bool {
        let mut waiting: HashMap<ClientKey, (usize, Ticket)> = HashMap::new();
        let mut count = 0;
        for (&ticket, upload) in self
            .uploads
            .iter()
            .filter(|(_, upload)| upload.is_outside())
        {
            let entry = waiting.entry(upload.client).or_insert((0, ticket));
            *entry = (entry.0 + 1, ticket);
            count += 1;
        }
        if count < MAX_WAITING {
            return true;
        }
        let own = waiting.get(&client).map_or(0, |(own, _)| *own);
        let most = waiting.into_values().max_by_key(|(count, _)| *count);
        match most {
            Some((most, last)) if most > own + 1 => {
                self.send_away(last);
                true
            }
            _ => false,
        }
    }

    fn send_away(&mut self, ticket: Ticket) {
        let wish = self
            .uploads
            .get_mut(&ticket)
            .and_then(|upload| upload.wish.take());
        if let Some(wish) = wish {
            // One that has just gone does not need to know.
            let _ = wish.outcome.send(Err(Overloaded));
        }
    }

    /// Grants what can be granted now: first the reservation, then growth in the pool.
    fn settle(&mut self) {
        self.reserve();
        for (ticket, least, amply) in self.wishes() {
            if self.grow(ticket, amply) || self.grow(ticket, least) {
                self.grant(ticket);
            }
        }
    }

    /// The growth that is waited for, the least and the most of each: clients within their fair share first, then
    /// who holds most. At most as much again as an upload holds, so that bytes must be brought to get more.
    fn wishes(&self) -> Vec<(Ticket, u64, u64)> {
        let mut waiting: Vec<_> = self
            .uploads
            .iter()
            .filter_map(|(&ticket, upload)| Some((ticket, upload, upload.wish.as_ref()?)))
            .collect();
        waiting.sort_by_key(|&(ticket, upload, _)| {
            let is_over = self.is_over_share(upload.client, 0);
            (is_over, Reverse(upload.held), ticket)
        });
        waiting
            .into_iter()
            .map(|(ticket, upload, wish)| {
                let least = wish.target - upload.held;
                let amply = least.max(upload.held).min(upload.need - upload.held);
                (ticket, least, amply)
            })
            .collect()
    }

    /// Gives the reservation to the next in turn, unless it is taken or does not fit yet.
    fn reserve(&mut self) {
        if self.reserved.is_some() {
            return;
        }
        let unread = self.pool - self.read;
        let next = self
            .uploads
            .iter()
            .filter(|(_, upload)| upload.wish.is_some())
            .filter(|(_, upload)| unread - upload.held + upload.need <= self.total)
            .min_by_key(|&(&ticket, upload)| {
                let client = self.clients.get(&upload.client);
                let turn = client.map_or((0, 0), |client| (client.turn, client.held));
                (turn, Reverse(upload.held), ticket)
            })
            .map(|(&ticket, upload)| (ticket, upload.client, upload.held, upload.need));
        let Some((ticket, client, held, need)) = next else {
            return;
        };
        if self.pool - held + need > self.total {
            return;
        }
        self.pool -= held;
        self.reserved = Some(ticket);
        if let Some(client) = self.clients.get_mut(&client) {
            client.held += need - held;
            self.round = self.round.max(client.turn);
            client.turn = self.round + 1;
        }
        self.note_movement(need);
        if let Some(upload) = self.uploads.get_mut(&ticket) {
            upload.held = need;
        }
        self.grant(ticket);
    }

    fn grant(&mut self, ticket: Ticket) {
        let wish = self
            .uploads
            .get_mut(&ticket)
            .and_then(|upload| upload.wish.take());
        if let Some(wish) = wish {
            // One that has just gone gives everything back by itself.
            let _ = wish.outcome.send(Ok(()));
        }
    }

    /// Lets an upload grow in the pool, if that leaves enough.
    fn grow(&mut self, ticket: Ticket, amount: u64) -> bool {
        let Some(upload) = self.uploads.get(&ticket) else {
            return false;
        };
        if !self.leaves_enough(upload, amount) {
            return false;
        }
        if let Some(client) = self.clients.get_mut(&upload.client) {
            client.held += amount;
        }
        if let Some(upload) = self.uploads.get_mut(&ticket) {
            upload.held += amount;
        }
        self.pool += amount;
        self.note_movement(amount);
        true
    }

    fn leaves_enough(&self, upload: &Upload, amount: u64) -> bool {
        let room = (self.total - self.largest()).checked_sub(self.pool + amount);
        let mut least = (upload.held + amount).min(self.total / LEFT_BY_ALL);
        if self.is_over_share(upload.client, amount) {
            least = least.max(self.total / LEFT_BY_LARGE_CLIENTS);
        }
        room.is_some_and(|left| left >= least)
    }

    /// Whether a client would hold more than its fair share with so much more. One more client than there are is
    /// reckoned with: what a client alone has filled could not be taken back from it.
    fn is_over_share(&self, client: ClientKey, more: u64) -> bool {
        let clients = self.clients.len() as u64 + 1;
        let held = self.clients.get(&client).map_or(0, |client| client.held);
        held + more > self.total / clients
    }
}

impl Upload {
    /// Whether it waits and holds nothing.
    fn is_outside(&self) -> bool {
        self.held == 0 && self.wish.is_some()
    }
}

#[cfg(test)]
mod tests;
