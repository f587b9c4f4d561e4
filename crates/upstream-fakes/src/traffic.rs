//! The traffic of one fake: recorded requests, and faults of later ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::Call;
use crate::fault::{Fault, Route};
use crate::record::{Recorded, RouteCount};

/// The capacity of the record; older requests are dropped, so that a load test cannot fill the memory.
const RECORD_CAPACITY: usize = 10_000;

/// Counters, recorded requests and pending faults of one fake.
#[derive(Debug, Default)]
pub struct Traffic {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    latency: Duration,
    queued: BTreeMap<Route, VecDeque<Fault>>,
    standing: BTreeMap<Route, Standing>,
    routes: BTreeMap<Route, RouteCount>,
    in_flight: usize,
    peak_in_flight: usize,
    record: VecDeque<Recorded>,
    seen: u64,
}

#[derive(Debug)]
struct Standing {
    fault: Fault,
    every: u64,
    met: u64,
}

/// What happens to a call that has just entered.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) latency: Duration,
    pub(crate) fault: Fault,
}

impl Traffic {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next call of the route meet the fault; several queue up, one for each call.
    pub fn fail_next(&self, route: Route, fault: Fault) {
        self.fail_times(route, 1, fault);
    }

    /// Makes the next `times` calls of the route meet the fault.
    pub fn fail_times(&self, route: Route, times: usize, fault: Fault) {
        let mut state = self.state();
        let queue = state.queued.entry(route).or_default();
        queue.extend(std::iter::repeat_n(fault, times));
    }

    /// Makes every call of the route meet the fault until [`Traffic::heal`]. Queued faults go first.
    pub fn fail_always(&self, route: Route, fault: Fault) {
        self.fail_every(route, 1, fault);
    }

    /// Makes every `every`-th call of the route meet the fault until [`Traffic::heal`].
    pub fn fail_every(&self, route: Route, every: u64, fault: Fault) {
        let standing = Standing {
            fault,
            every: every.max(1),
            met: 0,
        };
        self.state().standing.insert(route, standing);
    }

    /// Removes all pending faults, queued and standing. The latency stays.
    pub fn heal(&self) {
        let mut state = self.state();
        state.queued.clear();
        state.standing.clear();
    }

    /// Queued faults that no call has met yet.
    pub fn faults_left(&self) -> usize {
        self.state().queued.values().map(VecDeque::len).sum()
    }

    /// Delays every call before it takes effect.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Calls of the route so far.
    pub fn calls(&self, route: Route) -> u64 {
        self.state()
            .routes
            .get(&route)
            .map_or(0, |count| count.calls)
    }

    /// Counters by route; a route never called is absent.
    pub fn routes(&self) -> BTreeMap<Route, RouteCount> {
        self.state().routes.clone()
    }

    /// Requests being answered now.
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// Most requests being answered at once.
    pub fn peak_in_flight(&self) -> usize {
        self.state().peak_in_flight
    }

    /// The latest requests (at most 10 000), in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().record.iter().cloned().collect()
    }

    /// The latest requests of one route, in the order of arrival.
    pub fn requests_of(&self, route: Route) -> Vec<Recorded> {
        let state = self.state();
        state
            .record
            .iter()
            .filter(|request| request.route == route)
            .cloned()
            .collect()
    }

    /// Resets counters and record, removes faults and latency. Calls in flight stay counted.
    pub fn reset(&self) {
        let mut state = self.state();
        let in_flight = state.in_flight;
        let mut routes = std::mem::take(&mut state.routes);
        routes.retain(|_, count| count.in_flight > 0);
        for count in routes.values_mut() {
            count.calls = 0;
            count.peak_in_flight = count.in_flight;
        }
        *state = State {
            routes,
            in_flight,
            peak_in_flight: in_flight,
            ..State::default()
        };
    }

    /// Counts and records a call, and plans its fault.
    ///
    /// A call beyond the limit is counted among the calls, not among those in flight.
    pub(crate) fn enter(self: &Arc<Self>, route: Route, call: &Call, limit: usize) -> Visit {
        let mut state = self.state();
        let number = state.seen;
        state.seen += 1;
        state.remember(Recorded::of(number, route, call));
        let admitted = state.in_flight < limit;
        state.count(route, admitted);
        let plan = admitted.then(|| state.plan(route));
        drop(state);
        Visit {
            traffic: Arc::clone(self),
            route,
            number,
            plan,
        }
    }
}

impl State {
    fn remember(&mut self, request: Recorded) {
        if self.record.len() == RECORD_CAPACITY {
            self.record.pop_front();
        }
        self.record.push_back(request);
    }

    fn count(&mut self, route: Route, admitted: bool) {
        let count = self.routes.entry(route).or_default();
        count.calls += 1;
        if admitted {
            count.in_flight += 1;
            count.peak_in_flight = count.peak_in_flight.max(count.in_flight);
            self.in_flight += 1;
            self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
        }
    }

    fn plan(&mut self, route: Route) -> Plan {
        let queued = self.queued.get_mut(&route).and_then(VecDeque::pop_front);
        let fault = queued.or_else(|| self.standing.get_mut(&route).and_then(Standing::meet));
        // Hosted pictures come from a CDN, not from the API: their delay would be counted twice, by the
        // call that fetches and by the one that waits for it.
        let is_call = route != Route::Serve;
        Plan {
            latency: if is_call {
                self.latency
            } else {
                Duration::ZERO
            },
            fault: fault.unwrap_or_else(Fault::pass),
        }
    }

    fn leave(&mut self, route: Route) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(count) = self.routes.get_mut(&route) {
            count.in_flight = count.in_flight.saturating_sub(1);
        }
    }
}

impl Standing {
    fn meet(&mut self) -> Option<Fault> {
        self.met += 1;
        self.met
            .is_multiple_of(self.every)
            .then(|| self.fault.clone())
    }
}

/// A call in flight; counted as finished on drop, even if the client disconnected.
#[derive(Debug)]
pub(crate) struct Visit {
    traffic: Arc<Traffic>,
    route: Route,
    number: u64,
    plan: Option<Plan>,
}

impl Visit {
    /// The plan of the call; `None` if it was over the limit.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Records the status of the response.
    pub(crate) fn answered(&self, status: u16) {
        let mut state = self.traffic.state();
        let first = state.record.front().map_or(0, |request| request.number);
        let index = self
            .number
            .checked_sub(first)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| state.record.get_mut(index)) {
            request.status = Some(status);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.plan.is_some() {
            self.traffic.state().leave(self.route);
        }
    }
}
