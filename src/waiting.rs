//! Where passwords wait to be hashed: a bounded queue before a fixed number of threads of its
//! own, so that hashing never takes a thread that answers.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// The queue and its threads. Clones share both.
#[derive(Clone)]
pub struct WaitingRoom {
    queue: Arc<Queue>,
}

struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    arrival: Condvar,
    places: usize,
}

/// All places are taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl WaitingRoom {
    /// Opens a room with this many places and this many threads that serve it.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn open(places: usize, threads: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            jobs: Mutex::new(VecDeque::new()),
            arrival: Condvar::new(),
            places,
        });
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || queue.serve())?;
        }
        Ok(Self { queue })
    }

    /// Takes a place for this job, in the order of arrival.
    ///
    /// # Errors
    ///
    /// [`Full`], at once; the job is dropped.
    pub fn enter(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        let mut jobs = self.queue.jobs();
        if jobs.len() >= self.queue.places {
            return Err(Full);
        }
        jobs.push_back(Box::new(job));
        drop(jobs);
        self.queue.arrival.notify_one();
        Ok(())
    }

    /// How many wait, not counting those that are served.
    pub fn waiting(&self) -> usize {
        self.queue.jobs().len()
    }
}

impl Queue {
    fn serve(&self) -> ! {
        loop {
            let mut jobs = self.jobs();
            let job = loop {
                match jobs.pop_front() {
                    Some(job) => break job,
                    None => {
                        jobs = self
                            .arrival
                            .wait(jobs)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(jobs);
            // A job that panics must not take its thread along: the next one needs it.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                log::error!("a hashing job panicked; its request is refused");
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[test]
    fn never_more_at_once_than_threads() {
        let room = WaitingRoom::open(100, 2).unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (done, finished) = mpsc::channel();
        for _ in 0..50 {
            let (now, most, done) = (Arc::clone(&now), Arc::clone(&most), done.clone());
            let job = move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                done.send(()).unwrap();
            };
            room.enter(job).unwrap();
        }
        assert_eq!(finished.iter().take(50).count(), 50);
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn full_is_said_at_once() {
        let room = WaitingRoom::open(1, 1).unwrap();
        let (started, gate) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (job_started, job_gate) = (Arc::clone(&started), Arc::clone(&gate));
        room.enter(move || {
            job_started.wait();
            job_gate.wait();
        })
        .unwrap();
        started.wait();
        assert_eq!(room.enter(|| ()), Ok(()));
        assert_eq!(room.enter(|| ()), Err(Full));
        assert_eq!(room.waiting(), 1);
        gate.wait();
    }

    #[test]
    fn a_panic_costs_one_job() {
        let room = WaitingRoom::open(10, 1).unwrap();
        let (done, finished) = mpsc::channel();
        room.enter(|| panic!("on purpose")).unwrap();
        room.enter(move || done.send("lives on").unwrap()).unwrap();
        assert_eq!(finished.recv(), Ok("lives on"));
    }
}
