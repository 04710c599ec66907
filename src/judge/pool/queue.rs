//! Who is next: addresses take turns, each with its own short queue, and those that are known to
//! log in go before all others. Pure: no threads, no locks, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::request::client::Client;

/// How many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// In all.
    pub whole: usize,
    /// From one address.
    pub share: usize,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The address has all the places that one address can have.
    Share,
    /// Everybody together has all the places there are.
    Whole,
}

/// Names one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    client: Client,
    number: u64,
}

/// Fair queueing (RFC 970) over addresses, in two classes. When all places are taken, the longest
/// queue gives one up to whoever has a shorter one.
pub(super) struct Queue<T> {
    places: Places,
    shares: HashMap<Client, Share<T>>,
    /// Those with a recent success, and all others.
    familiar: Class,
    strangers: Class,
    waiting: usize,
    /// Counts turns and tickets.
    clock: u64,
}

struct Share<T> {
    jobs: VecDeque<(u64, T)>,
    turn: u64,
    familiar: bool,
}

/// The addresses of one class that have somebody waiting.
#[derive(Default)]
struct Class {
    turns: BTreeMap<u64, Client>,
    lengths: BTreeSet<(usize, Client)>,
}

impl<T> Queue<T> {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            shares: HashMap::new(),
            familiar: Class::default(),
            strangers: Class::default(),
            waiting: 0,
            clock: 0,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many addresses wait.
    pub(super) fn clients(&self) -> usize {
        self.shares.len()
    }

    /// Takes a place. Returns the ticket and whoever had to give the place up.
    pub(super) fn enter(
        &mut self,
        client: Client,
        familiar: bool,
        job: T,
    ) -> Result<(Ticket, Option<T>), Full> {
        let length = self.shares.get(&client).map_or(0, |share| share.jobs.len());
        if length >= self.places.share {
            return Err(Full::Share);
        }
        let displaced = if self.waiting >= self.places.whole {
            Some(self.displace(length, familiar).ok_or(Full::Whole)?)
        } else {
            None
        };
        self.clock += 1;
        let number = self.clock;
        let mut share = self.take(client).unwrap_or_else(|| Share {
            jobs: VecDeque::new(),
            turn: number,
            familiar,
        });
        share.familiar |= familiar;
        share.jobs.push_back((number, job));
        self.waiting += 1;
        self.put(client, share);
        Ok((Ticket { client, number }, displaced))
    }

    /// Gives a place up. Returns the job, unless it has been served or displaced.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let mut share = self.take(ticket.client)?;
        let place = share.jobs.iter().position(|(n, _)| *n == ticket.number);
        let left = place.and_then(|place| share.jobs.remove(place));
        self.put(ticket.client, share);
        let (_, job) = left?;
        self.waiting -= 1;
        Some(job)
    }

    /// The next one to be served. Its address then has to wait for all others of its class.
    pub(super) fn next(&mut self) -> Option<T> {
        let turn = |class: &Class| class.turns.first_key_value().map(|(_, client)| *client);
        let client = turn(&self.familiar).or_else(|| turn(&self.strangers))?;
        let mut share = self.take(client)?;
        let (_, job) = share.jobs.pop_front()?;
        self.clock += 1;
        share.turn = self.clock;
        self.waiting -= 1;
        self.put(client, share);
        Some(job)
    }

    /// The newest of the longest queue, if somebody with a queue of this length has a better
    /// claim to its place: a stranger's always goes to those who are familiar.
    fn displace(&mut self, length: usize, familiar: bool) -> Option<T> {
        let longest = |class: &Class| class.lengths.last().copied();
        let (_, client) = match longest(&self.strangers) {
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
        let mut share = self.take(client)?;
        let job = share.jobs.pop_back();
        self.put(client, share);
        let (_, job) = job?;
        self.waiting -= 1;
        Some(job)
    }

    /// Takes an address's share out, to be changed and put back.
    fn take(&mut self, client: Client) -> Option<Share<T>> {
        let share = self.shares.remove(&client)?;
        let class = self.class(share.familiar);
        class.turns.remove(&share.turn);
        class.lengths.remove(&(share.jobs.len(), client));
        Some(share)
    }

    fn put(&mut self, client: Client, share: Share<T>) {
        if share.jobs.is_empty() {
            return;
        }
        let class = self.class(share.familiar);
        class.turns.insert(share.turn, client);
        class.lengths.insert((share.jobs.len(), client));
        self.shares.insert(client, share);
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

    const ROOM: Places = Places { whole: 8, share: 4 };

    fn client(number: u8) -> Client {
        Client::V4([192, 0, 2, number])
    }

    /// Enters jobs that are named by their address and a number.
    fn enter(
        queue: &mut Queue<(u8, u32)>,
        from: u8,
        number: u32,
    ) -> Result<Option<(u8, u32)>, Full> {
        queue
            .enter(client(from), false, (from, number))
            .map(|(_, displaced)| displaced)
    }

    fn drain(queue: &mut Queue<(u8, u32)>) -> Vec<(u8, u32)> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    #[test]
    fn addresses_take_turns() {
        let mut queue = Queue::new(ROOM);
        for (from, number) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)] {
            assert_eq!(enter(&mut queue, from, number), Ok(None));
        }
        let order = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)];
        assert_eq!(drain(&mut queue), order);
        assert_eq!((queue.waiting(), queue.clients()), (0, 0));
    }

    /// Emptying one's queue and coming back is no way to be served more often.
    #[test]
    fn who_comes_back_queues_behind_the_others() {
        let mut queue = Queue::new(ROOM);
        for from in [1, 2, 3] {
            enter(&mut queue, from, 1).unwrap();
        }
        assert_eq!(queue.next(), Some((1, 1)));
        enter(&mut queue, 1, 2).unwrap();
        assert_eq!(drain(&mut queue), [(2, 1), (3, 1), (1, 2)]);
    }

    #[test]
    fn the_familiar_go_first() {
        let mut queue = Queue::new(ROOM);
        enter(&mut queue, 1, 1).unwrap();
        enter(&mut queue, 2, 1).unwrap();
        queue.enter(client(3), true, (3, 1)).unwrap();
        // A success in between makes a stranger familiar, with all that waits for it.
        queue.enter(client(2), true, (2, 2)).unwrap();
        assert_eq!(drain(&mut queue), [(2, 1), (3, 1), (2, 2), (1, 1)]);
    }

    #[test]
    fn a_share_has_an_end() {
        let mut queue = Queue::new(ROOM);
        for number in 0..4 {
            enter(&mut queue, 1, number).unwrap();
        }
        assert_eq!(enter(&mut queue, 1, 5), Err(Full::Share));
        assert_eq!(enter(&mut queue, 2, 1), Ok(None));
    }

    #[test]
    fn the_longest_queue_makes_room() {
        let mut queue = Queue::new(ROOM);
        for from in [1, 2] {
            for number in 0..4 {
                enter(&mut queue, from, number).unwrap();
            }
        }
        // Two queues of four: a newcomer takes the newest of one of them, and so does the next.
        assert_eq!(enter(&mut queue, 3, 1), Ok(Some((2, 3))));
        assert_eq!(enter(&mut queue, 4, 1), Ok(Some((1, 3))));
        assert_eq!(enter(&mut queue, 3, 2), Ok(Some((2, 2))));
        assert_eq!(enter(&mut queue, 4, 2), Ok(Some((1, 2))));
        // Now all have two.
        assert_eq!(enter(&mut queue, 3, 3), Err(Full::Whole));
        assert_eq!(enter(&mut queue, 5, 1), Ok(Some((4, 2))));
        assert_eq!(queue.waiting(), ROOM.whole);
    }

    #[test]
    fn strangers_make_room_for_the_familiar() {
        let mut queue = Queue::new(ROOM);
        for from in 1..=8 {
            enter(&mut queue, from, 1).unwrap();
        }
        assert_eq!(enter(&mut queue, 9, 1), Err(Full::Whole));
        for number in 0..4 {
            let (_, displaced) = queue.enter(client(9), true, (9, number)).unwrap();
            assert!(displaced.is_some());
        }
        assert_eq!(
            queue.enter(client(9), true, (9, 4)).err(),
            Some(Full::Share)
        );
        for number in 0..4 {
            queue.enter(client(10), true, (10, number)).unwrap();
        }
        // Only the familiar are left: now they are fair among themselves.
        assert_eq!(
            queue.enter(client(11), true, (11, 0)).unwrap().1,
            Some((10, 3))
        );
        assert_eq!(enter(&mut queue, 1, 1), Err(Full::Whole));
    }

    #[test]
    fn who_leaves_frees_the_place() {
        let mut queue = Queue::new(ROOM);
        let (first, _) = queue.enter(client(1), false, (1, 1)).unwrap();
        let (second, _) = queue.enter(client(1), false, (1, 2)).unwrap();
        assert_eq!(queue.leave(first), Some((1, 1)));
        assert_eq!(queue.leave(first), None);
        assert_eq!(queue.waiting(), 1);
        assert_eq!(queue.next(), Some((1, 2)));
        assert_eq!(queue.leave(second), None);
        assert_eq!((queue.waiting(), queue.clients()), (0, 0));
    }

    proptest! {
        /// Whatever happens, places are kept count of, and nobody is lost or served twice.
        #[test]
        fn places_are_kept(acts in proptest::collection::vec((0u8..4, 0u8..6, any::<bool>()), 0..200)) {
            let mut queue = Queue::new(ROOM);
            let mut inside = BTreeMap::new();
            for (number, (act, from, familiar)) in acts.into_iter().enumerate() {
                match act {
                    0 => if let Some(job) = queue.next() {
                        prop_assert!(inside.remove(&job).is_some());
                    },
                    1 => if let Some((job, ticket)) = inside.pop_first() {
                        prop_assert_eq!(queue.leave(ticket), Some(job));
                    },
                    _ => if let Ok((ticket, displaced)) = queue.enter(client(from), familiar, number) {
                        inside.insert(number, ticket);
                        if let Some(displaced) = displaced {
                            prop_assert!(inside.remove(&displaced).is_some());
                        }
                    },
                }
                prop_assert_eq!(queue.waiting(), inside.len());
                prop_assert!(inside.len() <= ROOM.whole);
                let shares = queue.shares.values();
                prop_assert!(shares.clone().all(|share| (1..=ROOM.share).contains(&share.jobs.len())));
                prop_assert_eq!(shares.len(), queue.familiar.turns.len() + queue.strangers.turns.len());
                prop_assert_eq!(shares.len(), queue.familiar.lengths.len() + queue.strangers.lengths.len());
            }
        }
    }
}
