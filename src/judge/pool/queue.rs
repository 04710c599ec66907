//! Which job is next: networks take turns (claimed names where no address is known), and those from
//! which somebody has logged in lately go before all others. Pure: no threads, no locks, no clock.

#[cfg(test)]
mod simulation;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::request::client::Client;

/// Names a job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    network: Client,
    number: u64,
}

/// Fair queueing (RFC 970) over networks, in two classes. When all slots are taken, the network with
/// the longest line gives one up to a network with a shorter line.
pub(super) struct Queue<T> {
    slots: usize,
    lines: HashMap<Client, Lane<T>>,
    /// Networks with a recent right password, and all others.
    familiar: Class,
    strangers: Class,
    len: usize,
    /// Counts turns and tickets.
    clock: u64,
}

/// The jobs of one network, oldest first.
struct Lane<T> {
    jobs: VecDeque<(u64, T)>,
    turn: u64,
    familiar: bool,
}

/// The networks of one class that have jobs in the queue.
#[derive(Default)]
struct Class {
    turns: BTreeMap<u64, Client>,
    lengths: BTreeSet<(usize, Client)>,
}

impl<T> Queue<T> {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            lines: HashMap::new(),
            familiar: Class::default(),
            strangers: Class::default(),
            len: 0,
            clock: 0,
        }
    }

    /// How many jobs there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a slot. Returns the ticket and the job that had to give its slot up; nothing where
    /// all slots are taken by those with a better claim.
    pub(super) fn enter(
        &mut self,
        network: Client,
        familiar: bool,
        job: T,
    ) -> Option<(Ticket, Option<T>)> {
        let displaced = if self.len >= self.slots {
            let length = self.lines.get(&network).map_or(0, |line| line.jobs.len());
            Some(self.displace(length, familiar)?)
        } else {
            None
        };
        self.clock += 1;
        let number = self.clock;
        let mut line = self.take(network).unwrap_or_else(|| Lane {
            jobs: VecDeque::new(),
            turn: number,
            familiar,
        });
        line.familiar |= familiar;
        line.jobs.push_back((number, job));
        self.len += 1;
        self.put(network, line);
        Some((Ticket { network, number }, displaced))
    }

    /// Gives a slot up. Returns the job, unless it has been served or displaced.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let mut line = self.take(ticket.network)?;
        let index = line.jobs.iter().position(|(n, _)| *n == ticket.number);
        let left = index.and_then(|index| line.jobs.remove(index));
        self.put(ticket.network, line);
        let (_, job) = left?;
        self.len -= 1;
        Some(job)
    }

    /// The next one to be served. Its network then has to wait for all others of its class.
    pub(super) fn next(&mut self) -> Option<T> {
        let turn = |class: &Class| class.turns.first_key_value().map(|(_, network)| *network);
        let network = turn(&self.familiar).or_else(|| turn(&self.strangers))?;
        let mut line = self.take(network)?;
        let (_, job) = line.jobs.pop_front()?;
        self.clock += 1;
        line.turn = self.clock;
        self.len -= 1;
        self.put(network, line);
        Some(job)
    }

    /// The newest job of the longest line, if a network with a line of this length has a better
    /// claim to its slot: a stranger's always goes to those who are familiar.
    fn displace(&mut self, length: usize, familiar: bool) -> Option<T> {
        let longest = |class: &Class| class.lengths.last().copied();
        let (_, network) = match longest(&self.strangers) {
            Some(stranger) if familiar => stranger,
            stranger => {
                let rival = if familiar {
                    longest(&self.familiar)
                } else {
                    stranger
                };
                rival.filter(|(rivals, _)| *rivals > length + 1)?
            }
        };
        let mut line = self.take(network)?;
        let job = line.jobs.pop_back();
        self.put(network, line);
        let (_, job) = job?;
        self.len -= 1;
        Some(job)
    }

    /// Takes a network's line out, to be changed and put back.
    fn take(&mut self, network: Client) -> Option<Lane<T>> {
        let line = self.lines.remove(&network)?;
        let class = self.class(line.familiar);
        class.turns.remove(&line.turn);
        class.lengths.remove(&(line.jobs.len(), network));
        Some(line)
    }

    fn put(&mut self, network: Client, line: Lane<T>) {
        if line.jobs.is_empty() {
            return;
        }
        let class = self.class(line.familiar);
        class.turns.insert(line.turn, network);
        class.lengths.insert((line.jobs.len(), network));
        self.lines.insert(network, line);
    }

    fn class(&mut self, familiar: bool) -> &mut Class {
        if familiar {
            &mut self.familiar
        } else {
            &mut self.strangers
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOTS: usize = 8;

    fn client(number: u8) -> Client {
        Client::V4([192, 0, 2, number])
    }

    /// Enters jobs that are named by their network and a number; nothing where all is full.
    fn enter(queue: &mut Queue<(u8, u32)>, from: u8, number: u32) -> Option<Option<(u8, u32)>> {
        let entered = queue.enter(client(from), false, (from, number));
        entered.map(|(_, displaced)| displaced)
    }

    fn drain(queue: &mut Queue<(u8, u32)>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn networks_take_turns() {
        let mut queue = Queue::new(SLOTS);
        for (from, number) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)] {
            assert_eq!(enter(&mut queue, from, number), Some(None));
        }
        let order = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)];
        assert_eq!(drain(&mut queue), order);
        assert_eq!((queue.len(), queue.lines.len()), (0, 0));
    }

    /// Emptying one's queue and coming back is no way to be served more often.
    #[test]
    fn one_that_comes_back_queues_behind_the_others() {
        let mut queue = Queue::new(SLOTS);
        for from in [1, 2, 3] {
            enter(&mut queue, from, 1).unwrap();
        }
        assert_eq!(queue.next(), Some((1, 1)));
        enter(&mut queue, 1, 2).unwrap();
        assert_eq!(drain(&mut queue), [(2, 1), (3, 1), (1, 2)]);
    }

    #[test]
    fn the_familiar_go_first() {
        let mut queue = Queue::new(SLOTS);
        enter(&mut queue, 1, 1).unwrap();
        enter(&mut queue, 2, 1).unwrap();
        queue.enter(client(3), true, (3, 1)).unwrap();
        // A success in between makes a stranger familiar, with all that waits for it.
        queue.enter(client(2), true, (2, 2)).unwrap();
        assert_eq!(drain(&mut queue), [(2, 1), (3, 1), (2, 2), (1, 1)]);
    }

    #[test]
    fn one_network_may_have_the_whole_queue() {
        let mut queue = Queue::new(SLOTS);
        for number in 0..8 {
            assert_eq!(enter(&mut queue, 1, number), Some(None));
        }
        assert_eq!(enter(&mut queue, 1, 9), None);
        assert_eq!(enter(&mut queue, 2, 1), Some(Some((1, 7))));
    }

    #[test]
    fn the_longest_queue_makes_room() {
        let mut queue = Queue::new(SLOTS);
        for from in [1, 2] {
            for number in 0..4 {
                enter(&mut queue, from, number).unwrap();
            }
        }
        // Two queues of four: a newcomer takes the newest of one of them, and so does the next.
        assert_eq!(enter(&mut queue, 3, 1), Some(Some((2, 3))));
        assert_eq!(enter(&mut queue, 4, 1), Some(Some((1, 3))));
        assert_eq!(enter(&mut queue, 3, 2), Some(Some((2, 2))));
        assert_eq!(enter(&mut queue, 4, 2), Some(Some((1, 2))));
        // Now all have two.
        assert_eq!(enter(&mut queue, 3, 3), None);
        assert_eq!(enter(&mut queue, 5, 1), Some(Some((4, 2))));
        assert_eq!(queue.len(), SLOTS);
    }

    #[test]
    fn strangers_make_room_for_the_familiar() {
        let mut queue = Queue::new(SLOTS);
        for from in 1..=8 {
            enter(&mut queue, from, 1).unwrap();
        }
        assert_eq!(enter(&mut queue, 9, 1), None);
        for number in 0..4 {
            let (_, displaced) = queue.enter(client(9), true, (9, number)).unwrap();
            assert!(displaced.is_some());
        }
        for number in 0..4 {
            queue.enter(client(10), true, (10, number)).unwrap();
        }
        // Only the familiar are left: now they are fair among themselves.
        let (_, displaced) = queue.enter(client(11), true, (11, 0)).unwrap();
        assert_eq!(displaced, Some((10, 3)));
        assert_eq!(enter(&mut queue, 1, 1), None);
    }

    #[test]
    fn one_that_leaves_frees_its_slot() {
        let mut queue = Queue::new(SLOTS);
        let (first, _) = queue.enter(client(1), false, (1, 1)).unwrap();
        let (second, _) = queue.enter(client(1), false, (1, 2)).unwrap();
        assert_eq!(queue.leave(first), Some((1, 1)));
        assert_eq!(queue.leave(first), None);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.next(), Some((1, 2)));
        assert_eq!(queue.leave(second), None);
        assert_eq!((queue.len(), queue.lines.len()), (0, 0));
    }

    proptest! {
        /// Whatever happens, slots are kept count of, and nobody is lost or served twice.
        #[test]
        fn slots_are_kept(acts in proptest::collection::vec((0u8..4, 0u8..6, any::<bool>()), 0..200)) {
            let mut queue = Queue::new(SLOTS);
            let mut inside = BTreeMap::new();
            for (number, (act, from, familiar)) in acts.into_iter().enumerate() {
                match act {
                    0 => if let Some(job) = queue.next() {
                        prop_assert!(inside.remove(&job).is_some());
                    },
                    1 => if let Some((job, ticket)) = inside.pop_first() {
                        prop_assert_eq!(queue.leave(ticket), Some(job));
                    },
                    _ => if let Some((ticket, displaced)) = queue.enter(client(from), familiar, number) {
                        inside.insert(number, ticket);
                        if let Some(displaced) = displaced {
                            prop_assert!(inside.remove(&displaced).is_some());
                        }
                    },
                }
                prop_assert_eq!(queue.len(), inside.len());
                prop_assert!(inside.len() <= SLOTS);
                prop_assert!(queue.lines.values().all(|line| !line.jobs.is_empty()));
                let classes = [&queue.familiar, &queue.strangers];
                let turns: usize = classes.iter().map(|class| class.turns.len()).sum();
                let lengths: usize = classes.iter().map(|class| class.lengths.len()).sum();
                prop_assert_eq!((turns, lengths), (queue.lines.len(), queue.lines.len()));
            }
        }
    }
}
