//! Two copies of a value: readers ask the one while the writer works on the other.
//!
//! The writer takes the copy that nobody is sent to, catches up with what the other one has seen, makes its change, and
//! only then sends the readers there. A copy is locked all the same, since a reader may be late: one that looked where to
//! go, was held up, and arrives when the writer is at work again. It cannot get in, or finds after it got in that it is
//! in the wrong place; both mean that a writer has published in between, so it looks again. So readers never wait: each
//! turn that a reader loses is a turn that a writer has won.

#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::TryLockError;

use super::sync::{AtomicUsize, Mutex, Ordering, RwLock, RwLockReadGuard, spin_loop, whole};

/// What was done to one copy and not yet to the other.
pub(super) trait Log<T> {
    /// Whether there is nothing to catch up with.
    fn is_empty(&self) -> bool;

    /// Does to `copy` all that is noted, in the same order. The copy is in the state that the other one was in before.
    fn replay(&mut self, copy: &mut T);

    /// Forgets all that is noted.
    fn clear(&mut self);
}

/// A value that many read and that is changed by one at a time. See the file's docs.
///
/// A reader that stays long holds up writers (the second one from now on), never other readers.
#[derive(Debug)]
pub(super) struct LeftRight<T, L> {
    copies: [RwLock<Apart<T>>; 2],
    /// How often a writer has sent readers from one copy to the other: the active one is that of this number's parity.
    /// Changed by the holder of `writer` alone.
    published: AtomicUsize,
    writer: Mutex<Writer<L>>,
}

/// A value on cache lines of its own: readers write to their lock when they come and go, and that must not take the
/// value out of the caches of the others. 128 bytes, as neighbouring lines are fetched in pairs.
#[derive(Clone, Debug)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Debug)]
struct Writer<L> {
    /// What the inactive copy has not seen yet.
    lag: L,
    /// A change is under way. Found set by the next writer if the change panicked: then the inactive copy is of no use.
    torn: bool,
}

/// A look at the active copy, as of one moment. Dropped soon: it holds up the second write from now.
pub(super) struct Look<'a, T>(RwLockReadGuard<'a, Apart<T>>);

impl<T> std::ops::Deref for Look<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: Clone, L: Log<T>> LeftRight<T, L> {
    /// Both copies begin as clones of one value, alike in their spare room too, so that they grow alike.
    pub(super) fn new(value: &T, log: L) -> Self {
        let copy = || RwLock::new(Apart(value.clone()));
        Self {
            copies: [copy(), copy()],
            published: AtomicUsize::new(0),
            writer: Mutex::new(Writer { lag: log, torn: false }),
        }
    }

    /// The value as the last completed change left it. Never waits.
    pub(super) fn look(&self) -> Look<'_, T> {
        let mut published = self.published.load(Ordering::Acquire);
        loop {
            let entered = match self.copies[published % 2].try_read() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            // Asked again: if a writer has been in this copy since, what it left there may not be published yet, and
            // the same reader could see it go away again.
            if let Some(guard) = entered
                && self.published.load(Ordering::Acquire) == published
            {
                return Look(guard);
            }
            spin_loop();
            let now = self.published.load(Ordering::Acquire);
            // What "never waits" means. Held under loom alone: a processor may be late to show this thread the count.
            #[cfg(all(test, loom))]
            assert_ne!(now, published, "a turn is lost that no writer has won");
            published = now;
        }
    }

    /// Changes the value. `change` must note in the log all that it does to the copy; what it does not note must leave
    /// the copy as it was. Waits for other writers, and for readers that are still in the copy from before the last
    /// write.
    ///
    /// If `change` panics, readers keep the value from before it, and the next writer begins with that.
    pub(super) fn write<R>(&self, change: impl FnOnce(&mut T, &mut L) -> R) -> R {
        let mut writer = whole(self.writer.lock());
        let writer = &mut *writer;
        if writer.torn {
            self.mend(writer);
        }
        let next = self.published.load(Ordering::Relaxed).wrapping_add(1);
        let mut copy = whole(self.copies[next % 2].write());
        writer.torn = true;
        writer.lag.replay(&mut copy.0);
        writer.lag.clear();
        let answer = change(&mut copy.0, &mut writer.lag);
        writer.torn = false;
        // Unlocked before readers are sent to it: none of them finds it locked.
        drop(copy);
        if !writer.lag.is_empty() {
            self.published.store(next, Ordering::Release);
        }
        answer
    }

    /// Makes both copies anew from the active one, in an order that never leaves readers without a whole one.
    #[cold]
    fn mend(&self, writer: &mut Writer<L>) {
        let next = self.published.load(Ordering::Relaxed).wrapping_add(1);
        let (active, inactive) = (&self.copies[next.wrapping_sub(1) % 2], &self.copies[next % 2]);
        // Nobody but a writer ever locks a copy for itself, so this does not wait.
        let sound = whole(active.read()).0.clone();
        whole(inactive.write()).0 = sound.clone();
        self.published.store(next, Ordering::Release);
        // Both are clones now: they have the same spare room, and go on alike.
        whole(active.write()).0 = sound;
        writer.lag.clear();
        writer.torn = false;
    }
}
