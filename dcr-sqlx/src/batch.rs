//! Group commit: while one batch is written, whoever comes meanwhile waits together and is the next one. For what a database
//! with one writer would write one after the other, and for what costs another one a round trip and a commit each. There is no wait for a batch to fill: somebody who is alone is a batch of one.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::failure::{Failure, unavailable};

/// The most that is written at once: it is one answer's wait.
const MOST: usize = 64;

/// Something to be written along with others.
pub(crate) trait Job: Send + 'static {
    /// Two of one key are never in one batch: each sees what the other one did.
    type Key: Eq + Hash;
    /// What comes of it.
    type Answer: Send + 'static;

    fn key(&self) -> Self::Key;
}

/// Those who wait for the next batch.
pub(crate) struct Batches<J: Job> {
    queue: Mutex<Queue<J>>,
}

struct Queue<J: Job> {
    waiting: VecDeque<(J, Answers<J>)>,
    /// Whether a task writes what waits.
    running: bool,
}

type Answers<J> = oneshot::Sender<Result<<J as Job>::Answer, Failure>>;

/// The task that was to write is gone, and with it what waited.
#[derive(Debug, thiserror::Error)]
#[error("the write was given up before it was done")]
struct GivenUp;

impl<J: Job> Batches<J> {
    #[cfg(any(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(Queue { waiting: VecDeque::new(), running: false }) })
    }

    /// Has `job` written by `write`, which answers in the order of what it is given. It is written also if the caller does
    /// not wait for the answer.
    pub(crate) async fn submit<W, F>(self: &Arc<Self>, job: J, write: W) -> Result<J::Answer, Failure>
    where
        W: Fn(Vec<J>) -> F + Send + 'static,
        F: Future<Output = Vec<Result<J::Answer, Failure>>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let starts = {
            let mut queue = self.queue();
            queue.waiting.push_back((job, sender));
            !std::mem::replace(&mut queue.running, true)
        };
        if starts {
            let turn = Turn { batches: Arc::clone(self), over: false };
            // A task of its own: a caller who goes away takes nobody else's answer along.
            tokio::spawn(turn.take(write));
        }
        answer.await.unwrap_or_else(|_| Err(unavailable(GivenUp)))
    }

    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Job> Queue<J> {
    /// The next batch, in the order in which they came. Who is of a key with somebody before stays for a later one.
    fn next(&mut self) -> (Vec<J>, Vec<Answers<J>>) {
        let (mut jobs, mut answers, mut keys, mut later) = (Vec::new(), Vec::new(), HashSet::new(), VecDeque::new());
        while jobs.len() < MOST
            && let Some((job, answer)) = self.waiting.pop_front()
        {
            if keys.insert(job.key()) {
                jobs.push(job);
                answers.push(answer);
            } else {
                later.push_back((job, answer));
            }
        }
        later.append(&mut self.waiting);
        self.waiting = later;
        (jobs, answers)
    }
}

/// The turn of the task that writes. Dropped before it is over, for the runtime ends or `write` panicked, it lets go of
/// everybody who waits: the next one begins anew.
struct Turn<J: Job> {
    batches: Arc<Batches<J>>,
    over: bool,
}

impl<J: Job> Turn<J> {
    async fn take<W, F>(mut self, write: W)
    where
        W: Fn(Vec<J>) -> F + Send + 'static,
        F: Future<Output = Vec<Result<J::Answer, Failure>>> + Send + 'static,
    {
        loop {
            let (jobs, answers) = {
                let mut queue = self.batches.queue();
                let batch = queue.next();
                if batch.0.is_empty() {
                    queue.running = false;
                    self.over = true;
                    return;
                }
                batch
            };
            let written = write(jobs).await;
            for (answer, written) in answers.into_iter().zip(written) {
                // Whoever went away does not hear it.
                let _ = answer.send(written);
            }
        }
    }
}

impl<J: Job> Drop for Turn<J> {
    fn drop(&mut self) {
        if !self.over {
            let mut queue = self.batches.queue();
            queue.running = false;
            queue.waiting.clear();
        }
    }
}

/// Shows nothing of what waits: it may be somebody's secret.
impl<J: Job> std::fmt::Debug for Batches<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batches(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use dcr_core::store::StoreError;
    use tokio::sync::Semaphore;

    use super::*;

    struct Number(u32);

    impl Job for Number {
        type Key = u32;
        type Answer = (u32, usize);

        fn key(&self) -> u32 {
            self.0
        }
    }

    /// Answers each with the number and the size of the batch, as soon as `gate` lets one batch through.
    fn write(gate: &Arc<Semaphore>) -> impl Fn(Vec<Number>) -> GatedAnswers + Send + Clone + 'static {
        let gate = Arc::clone(gate);
        move |jobs| {
            let gate = Arc::clone(&gate);
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                let size = jobs.len();
                jobs.iter().map(|job| Ok((job.0, size))).collect()
            })
        }
    }

    type GatedAnswers = std::pin::Pin<Box<dyn Future<Output = Vec<Result<(u32, usize), Failure>>> + Send>>;

    /// Jobs that wait behind a first one, whose batch is being written.
    async fn behind_one(
        batches: &Arc<Batches<Number>>,
        gate: &Arc<Semaphore>,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Vec<tokio::task::JoinHandle<(u32, usize)>> {
        let mut tasks = Vec::new();
        for number in [u32::MAX].into_iter().chain(numbers) {
            let (batches, write) = (Arc::clone(batches), write(gate));
            tasks.push(tokio::spawn(async move { batches.submit(Number(number), write).await.unwrap() }));
            // Each comes to wait before the next one does.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        tasks
    }

    async fn answers(tasks: Vec<tokio::task::JoinHandle<(u32, usize)>>) -> Vec<(u32, usize)> {
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    }

    #[tokio::test]
    async fn who_comes_while_a_batch_is_written_is_in_the_next_one_and_gets_an_own_answer() {
        let (batches, gate) = (Batches::new(), Arc::new(Semaphore::new(0)));
        let tasks = behind_one(&batches, &gate, 0..10).await;
        gate.add_permits(2);
        let expected: Vec<_> = [(u32::MAX, 1)].into_iter().chain((0..10).map(|n| (n, 10))).collect();
        assert_eq!(answers(tasks).await, expected);
    }

    #[tokio::test]
    async fn a_batch_has_a_bound_and_nobody_is_forgotten() {
        let (batches, gate) = (Batches::new(), Arc::new(Semaphore::new(0)));
        let tasks = behind_one(&batches, &gate, 0..150).await;
        gate.add_permits(4);
        let sizes: Vec<_> = answers(tasks).await.into_iter().map(|(_, size)| size).collect();
        assert_eq!((sizes[1], sizes[64], sizes[65], sizes[128], sizes[129]), (64, 64, 64, 64, 22));
    }

    #[tokio::test]
    async fn two_of_one_key_are_never_in_one_batch() {
        let (batches, gate) = (Batches::new(), Arc::new(Semaphore::new(0)));
        let tasks = behind_one(&batches, &gate, [1, 2, 1, 3, 1]).await;
        gate.add_permits(4);
        assert_eq!(answers(tasks).await[1..], [(1, 3), (2, 3), (1, 1), (3, 3), (1, 1)]);
    }

    #[tokio::test]
    async fn a_write_that_panics_is_an_error_for_who_waits_and_the_next_one_is_served() {
        let batches = Batches::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let write = move |jobs: Vec<Number>| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(call > 0, "as asked");
                jobs.iter().map(|job| Ok((job.0, 1))).collect()
            }
        };
        let refused = batches.submit(Number(1), write.clone()).await;
        assert!(matches!(refused, Err(Failure::Store(StoreError::Unavailable(_)))));
        assert_eq!(batches.submit(Number(2), write).await.unwrap(), (2, 1));
    }

    #[tokio::test]
    async fn who_goes_away_is_written_all_the_same_and_takes_nobody_along() {
        let (batches, gate) = (Batches::new(), Arc::new(Semaphore::new(0)));
        let tasks = behind_one(&batches, &gate, 0..3).await;
        tasks[0].abort();
        tasks[2].abort();
        gate.add_permits(2);
        let mut left = tasks.into_iter();
        assert!(left.next().unwrap().await.unwrap_err().is_cancelled());
        assert_eq!(left.next().unwrap().await.unwrap(), (0, 3));
        assert!(left.next().unwrap().await.unwrap_err().is_cancelled());
        assert_eq!(left.next().unwrap().await.unwrap(), (2, 3));
    }
}
