//! `dynamo-kv-router`'s concurrent compressed radix tree: owned events by a queue to its own worker loop, a map out.
//!
//! The loop owns the map by which a rank's blocks are found again, so it runs from the first event to the last. The time
//! is read in its thread: a flush in the queue wakes whoever waits for it, and what is woken here is a clock. Before the
//! first event it also holds the loop until the queue is full.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use dynamo_kv_router::ConcurrentRadixTreeCompressed;
use dynamo_kv_router::indexer::{SyncIndexer, WorkerTask};
use dynamo_kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheRemoveData, KvCacheStoreData,
    KvCacheStoredBlockData, LocalBlockHash, RouterEvent,
};
use tokio::sync::oneshot;

use super::{Best, Index};
use crate::clock::thread_time;
use crate::workload::Query;
use crate::workload::stream::{Kind, Stream};

/// The tree, and the thread that writes it.
pub struct Crtc {
    tree: Arc<ConcurrentRadixTreeCompressed>,
    queue: flume::Sender<WorkerTask>,
    lane: Option<JoinHandle<()>>,
}

impl Crtc {
    /// The tree.
    pub fn tree(&self) -> &ConcurrentRadixTreeCompressed {
        &self.tree
    }

    /// Sweeps what is no longer held out of the tree.
    pub fn sweep(&mut self) {
        let _ = self.queue.send(WorkerTask::CleanupStaleChildren);
        self.settle();
    }

    fn settle(&self) {
        let mark = Arc::new(Mark::default());
        self.flush(&mark);
        mark.open();
        mark.time();
    }

    /// Lets the queue pass the mark, which takes the time then.
    fn flush(&self, mark: &Arc<Mark>) {
        let (sender, receiver) = oneshot::channel();
        let waker = Waker::from(Arc::clone(mark));
        let mut receiver = Box::pin(receiver);
        assert!(receiver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "nothing was sent yet");
        let _ = self.queue.send(WorkerTask::Flush(sender));
        // Kept until the mark was passed: a receiver that is gone wakes nobody.
        mark.keep(receiver);
    }
}

/// A point in the queue.
#[derive(Default)]
struct Mark {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    time: Option<Duration>,
    receiver: Option<Pin<Box<oneshot::Receiver<()>>>>,
}

impl Mark {
    fn keep(&self, receiver: Pin<Box<oneshot::Receiver<()>>>) {
        self.state.lock().expect("no holder panics").receiver = Some(receiver);
    }

    fn open(&self) {
        self.state.lock().expect("no holder panics").open = true;
        self.changed.notify_all();
    }

    /// Waits until the queue has come to it.
    fn time(&self) -> Duration {
        let state = self.state.lock().expect("no holder panics");
        let mut state = self.changed.wait_while(state, |state| state.time.is_none()).expect("no holder panics");
        state.receiver = None;
        state.time.expect("waited for")
    }
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        let now = thread_time();
        let state = self.state.lock().expect("no holder panics");
        let mut state = self.changed.wait_while(state, |state| !state.open).expect("no holder panics");
        state.time = Some(now);
        self.changed.notify_all();
    }
}

fn event(stream: &Stream, at: usize) -> RouterEvent {
    let event = &stream.events[at];
    let names = &stream.names[event.blocks()];
    let data = match event.kind {
        Kind::Stored { parent } => {
            let block = |(&name, &content): (&u64, &u64)| KvCacheStoredBlockData {
                block_hash: ExternalSequenceBlockHash(name),
                tokens_hash: LocalBlockHash(content),
                mm_extra_info: None,
            };
            KvCacheEventData::Stored(KvCacheStoreData {
                parent_hash: parent.map(ExternalSequenceBlockHash),
                start_position: None,
                blocks: names.iter().zip(&stream.contents[event.blocks()]).map(block).collect(),
            })
        }
        Kind::Removed => KvCacheEventData::Removed(KvCacheRemoveData {
            block_hashes: names.iter().map(|&name| ExternalSequenceBlockHash(name)).collect(),
        }),
    };
    RouterEvent::new(u64::from(event.rank), KvCacheEvent { event_id: at as u64, data, dp_rank: 0 })
}

impl Index for Crtc {
    const NAME: &'static str = "crtc";
    const WAYS: &'static [&'static str] = &["map"];
    type Feed = Vec<RouterEvent>;
    type Prompt = Vec<LocalBlockHash>;

    fn new(_: u32) -> Self {
        let tree = Arc::new(ConcurrentRadixTreeCompressed::new());
        let (queue, tasks) = flume::unbounded();
        let written = Arc::clone(&tree);
        let lane = std::thread::spawn(move || written.worker(tasks, None).expect("its loop ends well"));
        Self { tree, queue, lane: Some(lane) }
    }

    fn feed(&self, stream: &Stream) -> Vec<RouterEvent> {
        (0..stream.events.len()).map(|at| event(stream, at)).collect()
    }

    fn prompt(&self, query: &Query) -> Vec<LocalBlockHash> {
        query.contents.iter().map(|&content| LocalBlockHash(content)).collect()
    }

    fn apply(&mut self, feed: Vec<RouterEvent>) -> Duration {
        let (before, after) = (Arc::new(Mark::default()), Arc::new(Mark::default()));
        self.flush(&before);
        for event in feed {
            let _ = self.queue.send(WorkerTask::Event(event));
        }
        self.flush(&after);
        after.open();
        before.open();
        let before = before.time();
        after.time() - before
    }

    fn trickle(&mut self, stream: &Stream) {
        for at in 0..stream.events.len() {
            let _ = self.queue.send(WorkerTask::Event(event(stream, at)));
            if at % 64 == 0 {
                self.settle();
            }
        }
        self.settle();
    }

    fn best(&mut self, _: usize, prompt: &Vec<LocalBlockHash>, loads: &[u32]) -> Option<(u32, u32)> {
        let mut best = Best::NONE;
        for (worker, depth) in &self.tree.find_matches_impl(prompt, false).scores {
            best.offer(worker.worker_id as u32, *depth, loads);
        }
        best.found()
    }

    fn bare(&mut self, _: usize, prompt: &Vec<LocalBlockHash>) -> usize {
        self.tree.find_matches_impl(prompt, false).scores.len()
    }

    fn pairs(&mut self, prompt: &Vec<LocalBlockHash>, out: &mut Vec<(u32, u32)>) {
        let scores = self.tree.find_matches_impl(prompt, false).scores;
        out.extend(scores.iter().map(|(worker, depth)| (worker.worker_id as u32, *depth)));
    }
}

impl Drop for Crtc {
    fn drop(&mut self) {
        let _ = self.queue.send(WorkerTask::Terminate);
        if let Some(lane) = self.lane.take() {
            let _ = lane.join();
        }
    }
}
