//! Whether parts make a policy.

use super::{Combination, Limit, Measure, ONE, Picker, Policy, PolicyError, Scorer, Trigger};
use crate::explanation::Factor;

/// Parts of a combination: so many scores fit in a total without overflow.
const MOST_PARTS: usize = 16;
/// Weights up to this, for the same reason.
const MOST_WEIGHT: u32 = 1_000_000;

/// Fields of one policy.
struct Check<'a> {
    policy: &'a str,
}

impl Policy {
    pub(super) fn checked(self) -> Result<Self, PolicyError> {
        let check = Check { policy: &self.name };
        check.at_most("filters", self.filters.len(), MOST_PARTS)?;
        for (at, filter) in self.filters.iter().enumerate() {
            if filter.measure != Measure::Adapter {
                check.of_endpoint(format!("filters[{at}].measure"), filter.measure)?;
            }
        }
        check.at_most("gates", self.gates.len(), MOST_PARTS)?;
        for (at, gate) in self.gates.iter().enumerate() {
            match gate.when {
                Trigger::Spread { measure, permille, .. } => {
                    check.of_endpoint(format!("gates[{at}].when.spread.measure"), measure)?;
                    check.range(format!("gates[{at}].when.spread.permille"), permille, 0, MOST_WEIGHT)?;
                }
                Trigger::Most { measure, .. } => {
                    check.of_endpoint(format!("gates[{at}].when.most.measure"), measure)?;
                }
                Trigger::Least { measure, .. } => {
                    check.of_endpoint(format!("gates[{at}].when.least.measure"), measure)?;
                }
                Trigger::ShareAtMost(ppm) => {
                    check.range(format!("gates[{at}].when.share-at-most"), ppm, 0, ONE as u32)?;
                }
            }
            check.combination(&format!("gates[{at}].combination"), &gate.combination)?;
        }
        if let Some(near) = self.near {
            check.of_endpoint("near.measure".to_owned(), near.measure)?;
            match near.limit {
                Limit::Least { permille, .. } => {
                    check.range("near.limit.least.permille".to_owned(), permille, 1000, MOST_WEIGHT)?;
                }
                Limit::Deviations(permille) => {
                    check.range("near.limit.deviations".to_owned(), permille, 0, MOST_WEIGHT)?;
                }
            }
        }
        check.combination("combination", &self.combination)?;
        check.picker(&self)?;
        Ok(self)
    }
}

impl Check<'_> {
    fn policy(&self) -> String {
        self.policy.to_owned()
    }

    fn at_most(&self, field: &str, found: usize, most: usize) -> Result<(), PolicyError> {
        if found <= most {
            return Ok(());
        }
        Err(PolicyError::TooMany { policy: self.policy(), field: field.to_owned(), found, most })
    }

    fn range(&self, field: String, found: u32, least: u32, most: u32) -> Result<(), PolicyError> {
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let (found, least, most) = (found.into(), least.into(), most.into());
        Err(PolicyError::Range { policy: self.policy(), field, found, least, most })
    }

    fn of_endpoint(&self, field: String, measure: Measure) -> Result<(), PolicyError> {
        if measure.is_of_request() {
            return Err(PolicyError::OfRequest { policy: self.policy(), field, measure });
        }
        Ok(())
    }

    fn picker(&self, policy: &Policy) -> Result<(), PolicyError> {
        let range = |field: &str, found, least, most| self.range(format!("picker.{field}"), found, least, most);
        match policy.picker {
            Picker::Best | Picker::Any => Ok(()),
            Picker::PowerOf(count) => range("power-of", count, 1, 64),
            Picker::Softmax(permille) => range("softmax", permille, 1, MOST_WEIGHT),
            Picker::Ring { points, bound } => {
                range("ring.points", points, 1, 1024)?;
                bound.map_or(Ok(()), |bound| range("ring.bound.permille", bound.permille, 1000, MOST_WEIGHT))
            }
            Picker::Bucket { permille, .. } => range("bucket.permille", permille, 0, MOST_WEIGHT),
            Picker::Sticky { sessions, .. } => range("sticky.sessions", sessions, 1, 1 << 24),
            Picker::ByScore => {
                let is_sum = |combination: &Combination| matches!(combination, Combination::Sum(_));
                let field = if let Some(at) = policy.gates.iter().position(|gate| !is_sum(&gate.combination)) {
                    format!("gates[{at}].combination")
                } else if is_sum(&policy.combination) {
                    return Ok(());
                } else {
                    "combination".to_owned()
                };
                Err(PolicyError::NeedsScores { policy: self.policy(), field })
            }
        }
    }

    /// A price in thousandths, of something that has no other.
    fn price(&self, field: &str, permille: u32, part: Factor, is_again: bool) -> Result<(), PolicyError> {
        self.range(format!("{field}.permille"), permille, 0, MOST_WEIGHT)?;
        if is_again {
            return Err(PolicyError::Twice { policy: self.policy(), field: field.to_owned(), part });
        }
        Ok(())
    }

    fn combination(&self, field: &str, combination: &Combination) -> Result<(), PolicyError> {
        let (kind, len, most) = match combination {
            Combination::Sum(parts) => ("sum", parts.len(), MOST_PARTS),
            Combination::Product(parts) => ("product", parts.len(), 4),
            Combination::Lexicographic(parts) => ("lexicographic", parts.len(), 2),
            Combination::Cost(parts) => ("cost", parts.len(), MOST_PARTS),
            Combination::Total(parts) => ("total", parts.len(), MOST_PARTS),
        };
        let field = format!("{field}.{kind}");
        if len == 0 {
            return Err(PolicyError::Empty { policy: self.policy(), field });
        }
        self.at_most(&field, len, most)?;
        match combination {
            Combination::Sum(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    let field = |name: &str| format!("{field}[{at}].{name}");
                    self.range(field("weight"), part.weight, 0, MOST_WEIGHT)?;
                    if let Some(steps) = part.steps {
                        self.range(field("steps"), steps, 1, ONE as u32)?;
                    }
                    match part.scorer {
                        Scorer::Spread(measure) | Scorer::BelowMost(measure) => {
                            self.of_endpoint(field("scorer"), measure)?;
                        }
                        Scorer::Room { measure, limit } => {
                            self.of_endpoint(field("scorer.room.measure"), measure)?;
                            self.range(field("scorer.room.limit"), limit, 1, u32::MAX)?;
                        }
                        Scorer::Latency { ttft_ppm } => {
                            self.range(field("scorer.latency.ttft_ppm"), ttft_ppm, 0, ONE as u32)?;
                        }
                        Scorer::Prefix | Scorer::NoHitLru | Scorer::Draw | Scorer::Adapter => {}
                    }
                }
            }
            Combination::Cost(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    let is_again = parts[..at].iter().any(|other| other.term == part.term);
                    self.price(&format!("{field}[{at}]"), part.permille, Factor::Term(part.term), is_again)?;
                }
            }
            Combination::Total(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    let is_again = parts[..at].iter().any(|other| other.measure == part.measure);
                    self.price(&format!("{field}[{at}]"), part.permille, Factor::Measure(part.measure), is_again)?;
                }
            }
            Combination::Product(_) | Combination::Lexicographic(_) => {}
        }
        Ok(())
    }
}
