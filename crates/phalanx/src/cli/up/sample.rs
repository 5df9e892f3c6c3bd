//! The sample load: a few tenants, each with a long system prompt of its own, asking short questions.

use std::time::Duration;

use super::load::{Job, Load, Prompt};

const REQUESTS: u64 = 160;
const TENANTS: u64 = 6;
/// The mean gap between arrivals.
const GAP: Duration = Duration::from_millis(90);
/// Characters of a tenant's system prompt: about 2,000 tokens.
const SYSTEM_CHARS: usize = 8_000;

/// The same load for the same models and seed.
pub(super) fn load(models: &[String], seed: u64) -> Load {
    let mut draw = Draw(seed);
    let mut at = Duration::ZERO;
    let mut jobs = Vec::new();
    for number in 0..REQUESTS {
        let tenant = draw.below(TENANTS);
        let model = &models[usize::try_from(draw.below(models.len() as u64)).expect("an index of a slice")];
        jobs.push(Job {
            at,
            model: model.clone(),
            prompt: Prompt::Chat {
                system: system_prompt(tenant),
                user: format!("Question {number} of tenant {tenant}: what holds the line?"),
            },
            max_tokens: 16 + u32::try_from(draw.below(48)).expect("below 48"),
            // One in eight waits for the whole answer.
            stream: draw.below(8) != 0,
        });
        at += GAP * u32::try_from(draw.below(2_000)).expect("below 2000") / 1_000;
    }
    Load { jobs }
}

fn system_prompt(tenant: u64) -> String {
    let sentence = format!("You answer for tenant {tenant}, briefly, from its handbook, and never guess. ");
    sentence.chars().cycle().take(SYSTEM_CHARS).collect()
}

/// A small generator (splitmix64): the load is the same on every machine.
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_reproducible_and_short() {
        let models = ["a".to_owned(), "b".to_owned()];
        let bodies = |seed| load(&models, seed).jobs.iter().map(Job::body).collect::<Vec<_>>();
        assert_eq!(bodies(1), bodies(1));
        assert_ne!(bodies(1), bodies(2));
        let last = load(&models, 0).jobs.last().expect("jobs").at;
        assert!(last < Duration::from_secs(30), "{last:?}");
    }
}
