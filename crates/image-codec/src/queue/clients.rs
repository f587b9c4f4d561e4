//! How much work each client has had, in virtual time.

use std::collections::HashMap;

use domain::ports::ClientKey;

/// Units of work for one client if all clients were served at the same time, each at the same speed; as a
/// fixed-point number.
pub(super) type Virtual = u128;

/// Bits of a [`Virtual`] after the point.
const FRACTION: u32 = 20;

/// How many clients without work are remembered because they had more than their part.
const MAX_REMEMBERED: usize = 4096;

/// That many units of work for one client.
pub(super) fn virtual_units(units: u64) -> Virtual {
    Virtual::from(units) << FRACTION
}

/// The clients that have work waiting or running, and those that were served ahead of the others.
///
/// Virtual time goes on by one unit for each unit of work and client. A client that comes after a pause begins
/// at the present: what it did not use is lost.
#[derive(Debug, Default)]
pub(super) struct Clients {
    now: Virtual,
    accounts: HashMap<ClientKey, Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// The virtual time until which the client has had its part.
    served: Virtual,
    /// Its work that waits or runs.
    entered: usize,
}

impl Clients {
    /// Notes that a client has some more work. Returns the virtual time.
    pub(super) fn enter(&mut self, client: ClientKey) -> Virtual {
        let account = self.accounts.entry(client).or_default();
        if account.entered == 0 {
            account.served = account.served.max(self.now);
        }
        account.entered += 1;
        self.now
    }

    /// Notes that a client has some work less.
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

    /// Charges a client for work that begins.
    pub(super) fn charge(&mut self, client: ClientKey, expected: u64) {
        if let Some(account) = self.accounts.get_mut(&client) {
            account.served += virtual_units(expected);
        }
    }

    /// Charges a client for what its work took in place of what was expected. Virtual time goes on.
    pub(super) fn settle(&mut self, client: ClientKey, expected: u64, spent: u64) {
        // Work for nothing would let time stand still.
        let spent = virtual_units(spent.max(1));
        self.now += spent / self.busy().max(1) as Virtual;
        if let Some(account) = self.accounts.get_mut(&client) {
            account.served += spent;
            account.served = account.served.saturating_sub(virtual_units(expected));
        }
    }

    /// The virtual time.
    pub(super) fn now(&self) -> Virtual {
        self.now
    }

    /// The virtual time until which a client has had its part.
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
    fn work_is_charged_as_expected_until_it_is_known_what_it_took() {
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
