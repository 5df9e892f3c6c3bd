//! A fleet of engines on virtual time: traces in, the production policies, a report out
