//! Waiting items of several clients, taken in turns.

use std::collections::{HashMap, VecDeque};

use crate::domain::address::AddressPrefix;

/// Items in one queue per client address. The clients take turns, so the wait of a client does not
/// depend on the number of items of another.
pub struct RoundRobin<T> {
    queues: HashMap<AddressPrefix, VecDeque<T>>,
    /// The clients that have items, in the order of their turns.
    turns: VecDeque<AddressPrefix>,
}

impl<T> Default for RoundRobin<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<T> RoundRobin<T> {
    pub fn push(&mut self, client: AddressPrefix, item: T) {
        let queue = self.queues.entry(client).or_default();
        if queue.is_empty() {
            self.turns.push_back(client);
        }
        queue.push_back(item);
    }

    /// Removes and returns the oldest item of the client whose turn it is. Clients that `may_take`
    /// refuses are passed over.
    pub fn pop_if(
        &mut self,
        may_take: impl Fn(AddressPrefix) -> bool,
    ) -> Option<(AddressPrefix, T)> {
        let turn = self.turns.iter().position(|client| may_take(*client))?;
        let client = self.turns.remove(turn)?;
        let queue = self.queues.get_mut(&client)?;
        let item = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        Some((client, item))
    }

    /// Removes the oldest items of a client as long as `is_stale`.
    pub fn drop_stale(&mut self, client: AddressPrefix, is_stale: impl Fn(&T) -> bool) {
        let Some(queue) = self.queues.get_mut(&client) else { return };
        while queue.front().is_some_and(&is_stale) {
            queue.pop_front();
        }
        if queue.is_empty() {
            self.queues.remove(&client);
            self.turns.retain(|other| *other != client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u8) -> AddressPrefix {
        AddressPrefix::V4(Ipv4Addr::new(192, 0, 2, number))
    }

    fn drain(robin: &mut RoundRobin<u32>) -> Vec<u32> {
        std::iter::from_fn(|| robin.pop_if(|_| true).map(|(_, item)| item)).collect()
    }

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let mut robin = RoundRobin::default();
        for item in 10..15 {
            robin.push(client(1), item);
        }
        robin.push(client(2), 20);
        robin.push(client(3), 30);
        robin.push(client(2), 21);
        assert_eq!(drain(&mut robin), [10, 20, 30, 11, 21, 12, 13, 14]);
        assert!(robin.queues.is_empty() && robin.turns.is_empty());
    }

    #[test]
    fn client_that_may_not_take_keeps_its_turn() {
        let mut robin = RoundRobin::default();
        robin.push(client(1), 10);
        robin.push(client(2), 20);
        robin.push(client(3), 30);
        assert_eq!(robin.pop_if(|it| it != client(1)), Some((client(2), 20)));
        assert_eq!(robin.pop_if(|_| false), None);
        assert_eq!(drain(&mut robin), [10, 30]);
    }

    #[test]
    fn stale_items_are_dropped() {
        let mut robin = RoundRobin::default();
        robin.push(client(1), 10);
        robin.push(client(1), 11);
        robin.push(client(2), 20);
        robin.drop_stale(client(1), |item| *item == 10);
        robin.drop_stale(client(2), |_| true);
        robin.drop_stale(client(3), |_| true);
        assert_eq!(drain(&mut robin), [11]);
        assert!(robin.queues.is_empty() && robin.turns.is_empty());
    }
}
