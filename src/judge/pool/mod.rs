//! Where passwords are hashed: a fixed number of threads behind a bounded, fair queue, so that
//! hashing never takes a thread that answers, nor the processor from it.

mod queue;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::queue::{Queue, Ticket};
use crate::request::client::Client;

type Job = Box<dyn FnOnce() + Send>;

/// The queue and its threads.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    arrival: Condvar,
    threads: u32,
}

struct State {
    queue: Queue<Job>,
    /// How long a job takes, averaged over the last few.
    usual: Duration,
}

/// A slot in the queue. Dropped, it is free again, and its job is dropped as well, unless its turn
/// had come.
#[must_use]
pub(crate) struct Slot {
    shared: Arc<Shared>,
    ticket: Ticket,
}

/// No slot is free. Asking again after this time is likely to find one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full(pub Duration);

impl Pool {
    /// Starts these threads behind a queue with so many slots. Each of them first calls `lower`,
    /// which lowers its own priority.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(
        slots: usize,
        threads: usize,
        lower: fn() -> io::Result<()>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: Queue::new(slots),
                usual: FIRST_GUESS,
            }),
            arrival: Condvar::new(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1),
        });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || {
                    if let Err(error) = lower() {
                        log::warn!("a hashing thread keeps its priority: {error}");
                    }
                    shared.serve()
                })?;
        }
        Ok(Self { shared })
    }

    /// Takes a slot for this job. `familiar` says that the address has logged in lately: it is
    /// served before all that have not.
    ///
    /// # Errors
    ///
    /// [`Full`], at once; the job is dropped.
    pub(crate) fn enter(
        &self,
        client: Client,
        familiar: bool,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<Slot, Full> {
        let mut state = self.shared.state();
        let Some((ticket, displaced)) =
            state.queue.enter(client.network(), familiar, Box::new(job))
        else {
            return Err(Full(self.shared.clears_in(&state)));
        };
        drop(state);
        // Outside the lock, for a job that is dropped may come back here.
        drop(displaced);
        self.shared.arrival.notify_one();
        let shared = Arc::clone(&self.shared);
        Ok(Slot { shared, ticket })
    }

    /// When all jobs in the queue are likely to have been served.
    pub(crate) fn clears_in(&self) -> Duration {
        self.shared.clears_in(&self.shared.state())
    }

    /// How many jobs are in the queue, not counting those that are served.
    pub(crate) fn queued(&self) -> usize {
        self.shared.state().queue.len()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let left = state.queue.leave(self.ticket);
        // Outside the lock, for a job that is dropped may come back here.
        drop(state);
        drop(left);
    }
}

impl Shared {
    fn serve(&self) -> ! {
        loop {
            let mut state = self.state();
            let job = loop {
                if let Some(job) = state.queue.next() {
                    break job;
                }
                let woken = self.arrival.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
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

    fn clears_in(&self, state: &State) -> Duration {
        let turns = u32::try_from(state.queue.len()).unwrap_or(u32::MAX) / self.threads;
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

    fn start(slots: usize, threads: usize) -> Pool {
        Pool::start(slots, threads, || Ok(())).unwrap()
    }

    /// Keeps the one thread of a pool busy until it is told to go on.
    fn occupy(pool: &Pool) -> Arc<Barrier> {
        let (started, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (job_started, job_end) = (Arc::clone(&started), Arc::clone(&end));
        let slot = pool.enter(CLIENT, false, move || {
            job_started.wait();
            job_end.wait();
        });
        started.wait();
        drop(slot);
        end
    }

    #[test]
    fn never_more_at_once_than_threads() {
        let pool = start(100, 2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, finished) = mpsc::channel();
        let slots: Vec<_> = (0..50)
            .map(|_| {
                let (now, most, done) = (Arc::clone(&now), Arc::clone(&most), done.clone());
                pool.enter(CLIENT, false, move || {
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
        drop(slots);
    }

    #[test]
    fn full_is_said_at_once() {
        let pool = start(1, 1);
        let end = occupy(&pool);
        let _slot = pool.enter(CLIENT, false, || ()).unwrap();
        for client in [CLIENT, Client::V4([192, 0, 2, 1])] {
            let Full(retry_after) = pool.enter(client, false, || ()).err().unwrap();
            assert!(retry_after <= LONGEST_RETRY);
        }
        assert_eq!(pool.queued(), 1);
        end.wait();
    }

    #[test]
    fn a_slot_that_is_given_up_is_free_and_its_job_never_done() {
        let pool = start(1, 1);
        let end = occupy(&pool);
        let (done, finished) = mpsc::channel();
        let given_up = done.clone();
        let slot = pool
            .enter(CLIENT, false, move || given_up.send("given up").unwrap())
            .unwrap();
        drop(slot);
        assert_eq!(pool.queued(), 0);
        let slot = pool.enter(CLIENT, false, move || done.send("kept").unwrap());
        end.wait();
        assert_eq!(finished.iter().collect::<Vec<_>>(), ["kept"]);
        drop(slot);
    }

    #[test]
    fn a_panic_costs_one_job() {
        let pool = start(10, 1);
        let (done, finished) = mpsc::channel();
        let _first = pool.enter(CLIENT, false, || panic!("on purpose")).unwrap();
        let second = pool.enter(CLIENT, false, move || done.send("lives on").unwrap());
        assert_eq!(finished.recv(), Ok("lives on"));
        drop(second);
    }
}
