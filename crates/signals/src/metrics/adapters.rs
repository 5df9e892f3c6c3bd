//! What an engine's page says of its adapters.

use super::sample::Sample;

/// The most names that are kept of each list.
const MOST: usize = 4096;

/// Where an engine's adapters (LoRAs) are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterMetrics {
    /// Names of those that requests run with, as the engine lists them: 4,096 at most.
    pub running: Vec<String>,
    /// Names of those that requests wait for: 4,096 at most.
    pub waiting: Vec<String>,
    /// How many can be loaded at a time.
    pub slots: Option<u32>,
}

impl AdapterMetrics {
    /// Reads a sample's labels; `None` if it lists nothing.
    pub(super) fn read(sample: &Sample<'_>) -> Option<Self> {
        let list = |label: &[u8]| {
            let names = sample.label(label)?;
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            Some(names.take(MOST).map(str::to_owned).collect::<Vec<_>>())
        };
        let (running, waiting) = (list(b"running_lora_adapters"), list(b"waiting_lora_adapters"));
        if running.is_none() && waiting.is_none() {
            return None;
        }
        let slots = sample.label(b"max_lora").and_then(|slots| slots.trim().parse().ok());
        Some(Self { running: running.unwrap_or_default(), waiting: waiting.unwrap_or_default(), slots })
    }
}
