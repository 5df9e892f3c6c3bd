//! A report that changes, and whoever waits for it.

use tokio::sync::watch;

/// The latest report of something that runs. Cheap to clone; it keeps nothing running.
#[derive(Clone, Debug)]
pub struct Watch<T>(watch::Receiver<T>);

/// Where reports are written.
pub(crate) type Reporter<T> = watch::Sender<T>;

/// A report that is to be kept up to date, and how it is looked at.
pub(crate) fn report<T>(first: T) -> (Reporter<T>, Watch<T>) {
    let (sender, receiver) = watch::channel(first);
    (sender, Watch(receiver))
}

impl<T: Clone> Watch<T> {
    /// The report as it is now, or as it was at the end.
    ///
    /// ```
    /// # fn show(follower: &phalanx_signals::Follower) {
    /// println!("{} batches", follower.watch().report().batches);
    /// # }
    /// ```
    #[must_use]
    pub fn report(&self) -> T {
        self.0.borrow().clone()
    }

    /// Waits for a report that is as wanted; `None` if that never comes, because what is watched has ended. Reports that
    /// follow each other fast may be passed over: ask for what stays true.
    ///
    /// ```
    /// # async fn show(follower: &phalanx_signals::Follower) {
    /// let report = follower.watch().wait_for(|report| report.batches > 0).await;
    /// # }
    /// ```
    pub async fn wait_for(&self, wanted: impl FnMut(&T) -> bool) -> Option<T> {
        self.0.clone().wait_for(wanted).await.ok().map(|report| report.clone())
    }
}
