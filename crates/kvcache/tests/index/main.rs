//! The fleet index against a naive model of it, and against those who mean it harm.

#[path = "../cases/mod.rs"]
mod cases;
#[path = "../model/mod.rs"]
mod model;

mod bound;
mod holes;
mod hostile;
mod lives;
mod meaning;
mod pool;
mod properties;
mod random;
mod reuse;
mod snapshot;
