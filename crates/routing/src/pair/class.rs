//! Endpoints that are the same to a pair, but for their load.

use crate::endpoint::{Endpoint, Role};
use crate::link::Domain;

/// What decides with whom an endpoint goes together, and how far away that one is. Those of one connector and group stand
/// side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) connector: u32,
    pub(crate) group: Option<u32>,
    pub(crate) rank: Option<u32>,
    pub(crate) domain: Domain,
    pub(crate) role: Role,
}

/// The classes of all endpoints. One that nobody has any more is given up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    /// By slot; what it was for one that was left.
    of: Vec<u32>,
    all: Vec<(Class, u32)>,
    vacant: Vec<u32>,
    /// Those in use, ascending.
    order: Vec<u32>,
    /// How often that changed.
    changes: u64,
}

impl Class {
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            connector: endpoint.connector(),
            group: endpoint.group(),
            rank: endpoint.rank(),
            domain: endpoint.domain(),
            role: endpoint.role(),
        }
    }

    /// Whether endpoints of both classes may go together for all that is said of ranks.
    pub(crate) fn fits(one: Option<u32>, other: Option<u32>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
}

impl Classes {
    /// An endpoint has joined in a slot.
    pub(crate) fn join(&mut self, at: usize, endpoint: &Endpoint) {
        let class = Class::of(endpoint);
        let id = match self.order.binary_search_by_key(&class, |&id| self.all[id as usize].0) {
            Ok(place) => self.order[place],
            Err(place) => {
                let id = self.vacant.pop().unwrap_or_else(|| {
                    self.all.push((class, 0));
                    self.all.len() as u32 - 1
                });
                self.all[id as usize] = (class, 0);
                self.order.insert(place, id);
                self.changes += 1;
                id
            }
        };
        self.all[id as usize].1 += 1;
        if self.of.len() <= at {
            self.of.resize(at + 1, 0);
        }
        self.of[at] = id;
    }

    /// The endpoint of a slot has left.
    pub(crate) fn leave(&mut self, at: usize) {
        let id = self.of[at];
        let (class, count) = &mut self.all[id as usize];
        *count -= 1;
        if *count == 0 {
            let class = *class;
            if let Ok(place) = self.order.binary_search_by_key(&class, |&id| self.all[id as usize].0) {
                self.order.remove(place);
                self.changes += 1;
            }
            self.vacant.push(id);
        }
    }

    /// How often the order of the classes changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// How many numbers of classes there are, those that are vacant included.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The number of the class of a slot.
    pub(crate) fn of(&self, at: usize) -> usize {
        self.of[at] as usize
    }

    pub(crate) fn class(&self, id: usize) -> &Class {
        &self.all[id].0
    }

    /// The classes in use with their numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Class)> {
        self.order.iter().map(|&id| (id as usize, &self.all[id as usize].0))
    }
}
