//! Where passwords wait to be hashed: a bounded, fair queue before a fixed number of threads of
//! its own, so that hashing never takes a thread that answers, nor the processor from it.

mod queue;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::queue::{Full, Places};
use self::queue::{Queue, Ticket};
use crate::request::client::Client;

type Job = Box<dyn FnOnce() + Send>;

/// The queue and its threads. Clones share both.
#[derive(Clone)]
pub(crate) struct WaitingRoom {
    room: Arc<Room>,
}

struct Room {
    state: Mutex<State>,
    arrival: Condvar,
    threads: u32,
}

struct State {
    queue: Queue<Job>,
    /// How long a job takes, averaged over the last few.
    usual: Duration,
}

/// A place in the room. Dropped, it is free again, and the job that stood there is dropped too,
/// unless its turn had come.
#[must_use]
pub(crate) struct Place {
    room: Arc<Room>,
    ticket: Ticket,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace {
    /// Whose places are all taken.
    pub full: Full,
    /// When asking again is likely to find one.
    pub retry_after: Duration,
}

impl WaitingRoom {
    /// Opens a room with these places and so many threads that serve it. Each of them first
    /// calls `lower`, which lowers its own priority.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn open(
        places: Places,
        threads: usize,
        lower: fn() -> io::Result<()>,
    ) -> io::Result<Self> {
        let room = Arc::new(Room {
            state: Mutex::new(State {
                queue: Queue::new(places),
                usual: FIRST_GUESS,
            }),
            arrival: Condvar::new(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1),
        });
        for number in 0..threads {
            let room = Arc::clone(&room);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || {
                    if let Err(error) = lower() {
                        log::warn!("a hashing thread keeps its priority: {error}");
                    }
                    room.serve()
                })?;
        }
        Ok(Self { room })
    }

    /// Takes a place for this job. `familiar` says that the address has logged in lately: it is
    /// served before all that have not.
    ///
    /// # Errors
    ///
    /// [`NoPlace`], at once; the job is dropped.
    pub(crate) fn enter(
        &self,
        client: Client,
        familiar: bool,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<Place, NoPlace> {
        let mut state = self.room.state();
        match state.queue.enter(client, familiar, Box::new(job)) {
            Ok((ticket, displaced)) => {
                drop(state);
                // Outside the lock, for a job that is dropped may come back here.
                drop(displaced);
                self.room.arrival.notify_one();
                let room = Arc::clone(&self.room);
                Ok(Place { room, ticket })
            }
            Err(full) => Err(NoPlace {
                full,
                retry_after: self.room.retry_after(&state, full),
            }),
        }
    }

    /// When all that wait now are likely to have been served.
    pub(crate) fn clears_in(&self) -> Duration {
        self.room.retry_after(&self.room.state(), Full::Whole)
    }

    /// How many wait, not counting those that are served.
    pub(crate) fn waiting(&self) -> usize {
        self.room.state().queue.waiting()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.room.state();
        let left = state.queue.leave(self.ticket);
        // Outside the lock, for a job that is dropped may come back here.
        drop(state);
        drop(left);
    }
}

impl Room {
    fn serve(&self) -> ! {
        loop {
            let mut state = self.state();
            let job = loop {
                match state.queue.next() {
                    Some(job) => break job,
                    None => {
                        state = self
                            .arrival
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(state);
            let start = Instant::now();
            // A job that panics must not take its thread along: the next one needs it.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                log::error!("a hashing job panicked; its request is refused");
            }
            let mut state = self.state();
            state.usual = (state.usual * 7 + start.elapsed()) / 8;
        }
    }

    /// A share moves on when each address has had a turn; the whole room is empty when everybody
    /// has.
    fn retry_after(&self, state: &State, full: Full) -> Duration {
        let ahead = match full {
            Full::Share => state.queue.clients(),
            Full::Whole => state.queue.waiting(),
        };
        let turns = u32::try_from(ahead).unwrap_or(u32::MAX) / self.threads;
        state.usual.saturating_mul(turns).min(LONGEST_RETRY)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bcrypt of cost 10, before any has been computed.
const FIRST_GUESS: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;

    const CLIENT: Client = Client::Unknown;

    fn open(whole: usize, threads: usize) -> WaitingRoom {
        let places = Places {
            whole,
            share: whole,
        };
        WaitingRoom::open(places, threads, || Ok(())).unwrap()
    }

    /// Keeps the one thread of a room busy until it is told to go on.
    fn occupy(room: &WaitingRoom) -> Arc<Barrier> {
        let (started, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (job_started, job_end) = (Arc::clone(&started), Arc::clone(&end));
        let place = room.enter(CLIENT, false, move || {
            job_started.wait();
            job_end.wait();
        });
        started.wait();
        drop(place);
        end
    }

    #[test]
    fn never_more_at_once_than_threads() {
        let room = open(100, 2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, finished) = mpsc::channel();
        let places: Vec<_> = (0..50)
            .map(|_| {
                let (now, most, done) = (Arc::clone(&now), Arc::clone(&most), done.clone());
                room.enter(CLIENT, false, move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    done.send(()).unwrap();
                })
                .unwrap()
            })
            .collect();
        assert_eq!(finished.iter().take(50).count(), 50);
        assert!(most.load(Ordering::SeqCst) <= 2);
        drop(places);
    }

    #[test]
    fn full_is_said_at_once() {
        let room = open(1, 1);
        let end = occupy(&room);
        let _place = room.enter(CLIENT, false, || ()).unwrap();
        let refusal = room.enter(CLIENT, false, || ()).err().unwrap();
        assert_eq!(refusal.full, Full::Share);
        assert!(refusal.retry_after <= LONGEST_RETRY);
        let other = Client::V4([192, 0, 2, 1]);
        let refusal = room.enter(other, false, || ()).err().unwrap();
        assert_eq!(refusal.full, Full::Whole);
        assert_eq!(room.waiting(), 1);
        end.wait();
    }

    #[test]
    fn a_place_that_is_given_up_is_free_and_its_job_never_done() {
        let room = open(1, 1);
        let end = occupy(&room);
        let (done, finished) = mpsc::channel();
        let given_up = done.clone();
        let place = room
            .enter(CLIENT, false, move || given_up.send("given up").unwrap())
            .unwrap();
        drop(place);
        assert_eq!(room.waiting(), 0);
        let place = room.enter(CLIENT, false, move || done.send("kept").unwrap());
        end.wait();
        assert_eq!(finished.iter().collect::<Vec<_>>(), ["kept"]);
        drop(place);
    }

    #[test]
    fn a_panic_costs_one_job() {
        let room = open(10, 1);
        let (done, finished) = mpsc::channel();
        let _first = room.enter(CLIENT, false, || panic!("on purpose")).unwrap();
        let second = room.enter(CLIENT, false, move || done.send("lives on").unwrap());
        assert_eq!(finished.recv(), Ok("lives on"));
        drop(second);
    }
}
