//! A model of an inference engine: continuous batching, a KV pool and step times, driven by whoever owns the clock
