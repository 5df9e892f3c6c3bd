//! The configuration that is applied now.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::watch;

use crate::desk::Desk;

/// One reader's view of the latest desk: looking at it costs an atomic load as long as there is no new one.
#[derive(Debug)]
pub(crate) struct Latest(RefCell<(watch::Receiver<Arc<Desk>>, Arc<Desk>)>);

impl Latest {
    pub(crate) fn of(desks: &watch::Receiver<Arc<Desk>>) -> Self {
        let mut desks = desks.clone();
        let desk = Arc::clone(&desks.borrow_and_update());
        Self(RefCell::new((desks, desk)))
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        let (desks, desk) = &mut *self.0.borrow_mut();
        // Once the gateway is gone there is no other.
        if desks.has_changed().unwrap_or(false) {
            *desk = Arc::clone(&desks.borrow_and_update());
        }
        Arc::clone(desk)
    }
}
