//! Accounts the work of each client, in virtual time.

use std::collections::HashMap;

use domain::ports::ClientKey;

/// Units of work per client if all clients were served concurrently at equal speed; fixed-point.
pub(super) type Virtual = u128;

/// Fractional bits of a [`Virtual`].
const FRACTION: u32 = 20;

/// How many idle clients are remembered because they were served more than their share.
const MAX_REMEMBERED: usize = 4096;

/// Converts units of work of one client.
pub(super) fn virtual_units(units: u64) -> Virtual {
    Virtual::from(units) << FRACTION
}

/// The clients with work queued or running, and those served ahead of the others.
///
/// Virtual time advances by one unit for each unit of work and client. A client that returns after a pause
/// starts at the present: an unused share is lost.
#[derive(Debug, Default)]
pub(super) struct Clients {
    now: Virtual,
    accounts: HashMap<ClientKey, Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// The virtual time up to which the client has been served.
    served: Virtual,
    /// Its work queued or running.
    entered: usize,
}

impl Clients {
    /// Records the arrival of work. Returns the virtual time.
    pub(super) fn enter(&mut self, client: ClientKey) -> Virtual {
        let account = self.accounts.entry(client).or_default();
        if account.entered == 0 {
            account.served = account.served.max(self.now);
        }
        account.entered += 1;
        self.now
    }

    /// Records the departure of work.
    pub(super) fn leave(&mut self, client: ClientKey) {
        if let Some(account) = self.accounts.get_mut(&client) {
            account.entered -= 1;
        }
        if self.busy() == 0 {
            *self = Self::default();
        } else if self.accounts.len() > MAX_REMEMBERED {
            self.accounts.retain(|_, account| account.entered > 0);
        } else {
            let now = self.now;
            self.accounts
                .retain(|_, account| account.entered > 0 || account.served > now);
        }
    }

    /// Charges a client the expected cost of work that starts.
    pub(super) fn charge(&mut self, client: ClientKey, expected: u64) {
        if let Some(account) = self.accounts.get_mut(&client) {
            account.served += virtual_units(expected);
        }
    }

    /// Replaces the expected cost by the actual one, and advances virtual time.
    pub(super) fn settle(&mut self, client: ClientKey, expected: u64, spent: u64) {
        // Work of zero cost would stop time.
        let spent = virtual_units(spent.max(1));
        self.now += spent / self.busy().max(1) as Virtual;
        if let Some(account) = self.accounts.get_mut(&client) {
            account.served += spent;
            account.served = account.served.saturating_sub(virtual_units(expected));
        }
    }

    pub(super) fn now(&self) -> Virtual {
        self.now
    }

    /// The virtual time up to which a client has been served.
    pub(super) fn served(&self, client: ClientKey) -> Virtual {
        self.accounts
            .get(&client)
            .map_or(self.now, |account| account.served)
    }

    /// Whether no client is known.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// How many clients have work.
    fn busy(&self) -> usize {
        let accounts = self.accounts.values();
        accounts.filter(|account| account.entered > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> ClientKey {
        ClientKey::from_address([127, 0, 0, number].into())
    }

    fn work(clients: &mut Clients, number: u8, units: u64) {
        clients.charge(client(number), units);
        clients.settle(client(number), units, units);
    }

    #[test]
    fn virtual_time_is_shared_by_the_clients_that_have_work() {
        let mut clients = Clients::default();
        assert_eq!(clients.enter(client(1)), 0);
        work(&mut clients, 1, 10);
        assert_eq!(clients.enter(client(2)), virtual_units(10));
        work(&mut clients, 2, 10);
        assert_eq!(clients.enter(client(3)), virtual_units(15));
        assert_eq!(clients.served(client(1)), virtual_units(10));
        assert_eq!(clients.served(client(2)), virtual_units(20));
    }

    #[test]
    fn a_pause_saves_nothing_up_and_pays_nothing_off() {
        let mut clients = Clients::default();
        for number in 1..=4 {
            clients.enter(client(number));
        }
        work(&mut clients, 1, 10);
        clients.leave(client(1));
        clients.enter(client(1));
        assert_eq!(clients.served(client(1)), virtual_units(10));
        clients.leave(client(4));
        work(&mut clients, 2, 3);
        work(&mut clients, 3, 3);
        clients.enter(client(4));
        assert_eq!(clients.served(client(4)), clients.now);
        assert!(clients.now > virtual_units(4));
    }

    #[test]
    fn expected_cost_is_charged_until_the_actual_is_known() {
        let mut clients = Clients::default();
        clients.enter(client(1));
        clients.charge(client(1), 10);
        assert_eq!(clients.served(client(1)), virtual_units(10));
        assert_eq!(clients.now, 0);
        clients.settle(client(1), 10, 4);
        assert_eq!(clients.served(client(1)), virtual_units(4));
        assert_eq!(clients.now, virtual_units(4));
        clients.charge(client(1), 1);
        clients.settle(client(1), 1, 9);
        assert_eq!(clients.served(client(1)), virtual_units(13));
    }

    #[test]
    fn clients_without_work_are_forgotten() {
        let mut clients = Clients::default();
        clients.enter(client(1));
        for number in 2..=250 {
            clients.enter(client(number));
            work(&mut clients, number, 2);
            clients.leave(client(number));
        }
        assert!(clients.accounts.len() < 10, "{}", clients.accounts.len());
        clients.leave(client(1));
        assert!(clients.accounts.is_empty());
        assert_eq!(clients.now, 0);
    }
}
