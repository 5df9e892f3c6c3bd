//! A task that ends with its owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// Aborted when it is dropped.
#[derive(Debug)]
pub(crate) struct Child(JoinHandle<()>);

impl Child {
    pub(crate) fn start(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.0.abort();
    }
}
