//! Kthena's router configuration, as far as a policy comes from it.

use std::collections::BTreeMap;
use std::fmt;

use phalanx_routing::{Combination, FailMode, Filter, Measure, Policy, Scorer, Unknown, Weighted};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::input::{self, Wrong};

/// The name of the policy.
const NAME: &str = "kthena-file";

/// What a file asks for.
#[derive(Clone, Debug)]
pub(super) struct RouterConfig {
    pub(super) policy: Policy,
    pub(super) warnings: Vec<Notice>,
}

/// Something that is not acted on, or not as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) line: u64,
    pub(super) field: String,
    pub(super) message: String,
}

impl fmt::Display for Notice {
    /// As what follows the name of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}: {}: {}", self.line, self.field, self.message)
    }
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    scheduler: Scheduler,
    #[serde(default)]
    auth: Option<Auth>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Scheduler {
    plugins: Plugins,
    plugin_config: Vec<PluginConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct Plugins {
    filter: Filters,
    score: Scores,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filters {
    enabled: Vec<Spanned<String>>,
    disabled: Vec<Spanned<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scores {
    enabled: Vec<Enabled>,
    disabled: Vec<Spanned<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Enabled {
    name: Spanned<String>,
    #[serde(default)]
    weight: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginConfig {
    name: Spanned<String>,
    #[serde(default)]
    args: BTreeMap<String, Spanned<Arg>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Arg {
    Number(f64),
    Other(IgnoredAny),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Auth {
    issuer: Option<Spanned<String>>,
    audiences: Option<Spanned<IgnoredAny>>,
    jwks_uri: Option<Spanned<String>>,
}

/// What the arguments of plugins say.
#[derive(Clone, Copy, Debug)]
struct Args {
    max_waiting: u32,
    ttft_ppm: u32,
}

/// Whether a text is meant to be such a file: it has a scheduler, and neither models nor a kind.
pub(super) fn is_meant(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        kind: Option<IgnoredAny>,
        models: Option<IgnoredAny>,
        scheduler: Option<IgnoredAny>,
    }
    input::parse(text).is_ok_and(|head: Head| head.kind.is_none() && head.models.is_none() && head.scheduler.is_some())
}

impl RouterConfig {
    /// Reads a file's text.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let file: File = input::parse(text)?;
        let mut warnings = Warnings(Vec::new());
        if let Some(auth) = &file.auth {
            auth.check(&mut warnings)?;
        }
        let keys: BTreeMap<String, IgnoredAny> = input::parse(text)?;
        for key in keys.into_keys().filter(|key| !["scheduler", "auth"].contains(&key.as_str())) {
            let is_it = |line: &str| line.strip_prefix(&key).is_some_and(|rest| rest.trim_start().starts_with(':'));
            let line = text.lines().position(is_it).map_or(0, |at| at as u64 + 1);
            warnings.0.push(Notice { line, field: key, message: "is not known; it has no effect".to_owned() });
        }
        let args = Args::read(&file.scheduler.plugin_config, &mut warnings)?;
        let plugins = &file.scheduler.plugins;
        for list in [&plugins.filter.disabled, &plugins.score.disabled] {
            if let Some(first) = list.first() {
                warnings.add(first, "disabled", "Kthena does not look at it, and nor is it looked at here");
            }
        }
        let scores = plugins.scores(args, &mut warnings)?;
        let policy = plugins.policy(scores, args, &mut warnings);
        Ok(Self { policy, warnings: warnings.0 })
    }
}

#[derive(Debug)]
struct Warnings(Vec<Notice>);

impl Warnings {
    fn add<T>(&mut self, at: &Spanned<T>, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Notice { line: at.referenced.line(), field: field.into(), message: message.into() });
    }
}

fn wrong<T>(at: &Spanned<T>, message: impl Into<String>) -> Wrong {
    Wrong { place: Some((at.referenced.line(), at.referenced.column())), message: message.into() }
}

impl Auth {
    /// Whoever wants tokens checked is not served without.
    fn check(&self, warnings: &mut Warnings) -> Result<(), Wrong> {
        if let Some(uri) = self.jwks_uri.as_ref().filter(|uri| !uri.value.is_empty()) {
            let message = "auth.jwksUri: tokens are not checked in this release; expected none, and a gateway before this \
                           one that checks them";
            return Err(wrong(uri, message));
        }
        let why = "without jwksUri nothing is checked";
        if let Some(issuer) = self.issuer.as_ref().filter(|issuer| !issuer.value.is_empty()) {
            warnings.add(issuer, "auth.issuer", why);
        }
        if let Some(audiences) = &self.audiences {
            warnings.add(audiences, "auth.audiences", why);
        }
        Ok(())
    }
}

impl Args {
    fn read(configs: &[PluginConfig], warnings: &mut Warnings) -> Result<Self, Wrong> {
        let mut args = Self { max_waiting: 10, ttft_ppm: 500_000 };
        for config in configs {
            let plugin = config.name.value.as_str();
            for (name, value) in &config.args {
                let field = format!("pluginConfig {plugin}.{name}");
                let number = match value.value {
                    Arg::Number(number) => Some(number),
                    Arg::Other(_) => None,
                };
                let expected = |expected: &str| wrong(value, format!("{field}: expected {expected}"));
                match (plugin, name.as_str()) {
                    ("least-request", "maxWaitingRequests") => {
                        let is_count = |number: &f64| number.fract() == 0.0 && (0.0..=4e9).contains(number);
                        let most = number.filter(is_count).ok_or_else(|| expected("a whole number from 0 on"))? as u32;
                        // As Kthena has it, none is the default.
                        args.max_waiting = if most == 0 { 10 } else { most };
                    }
                    ("least-latency", "TTFTTPOTWeightFactor") => {
                        let share = number.filter(|number| (0.0..=1.0).contains(number));
                        let share = share.ok_or_else(|| expected("a number from 0 to 1"))?;
                        args.ttft_ppm = (share * 1e6).round() as u32;
                    }
                    ("prefix-cache", "blockSizeToHash" | "maxBlocksToMatch" | "maxHashCacheSize" | "topKMatches") => {
                        warnings.add(
                            value,
                            field,
                            "has no effect: prompts are compared by blocks of block_size tokens, \
                                                    all of them, and every endpoint that holds some has a score",
                        );
                    }
                    ("kvcache-aware", "blockSizeToHash") => {
                        warnings.add(value, field, "has no effect: the gateway's own block_size is to be the engines'");
                    }
                    ("kvcache-aware", "maxBlocksToMatch" | "vllmTokenizerPort" | "sglangTokenizerPort") => {
                        warnings.add(value, field, "has no effect: what is held comes from kv_events, all of it");
                    }
                    _ => warnings.add(value, field, "no plugin here has it; it has no effect"),
                }
            }
        }
        Ok(args)
    }
}

/// The weights of all scorers together: what an adapter is worth more than all of them still is a weight.
const MOST_WEIGHT: u32 = 1 << 16;

impl Plugins {
    /// What the enabled scorers add up to.
    fn scores(&self, args: Args, warnings: &mut Warnings) -> Result<Vec<Weighted>, Wrong> {
        let mut scores: Vec<Weighted> = Vec::new();
        let is_alone = self.score.enabled.iter().all(|enabled| enabled.name.value == "random");
        for Enabled { name, weight } in &self.score.enabled {
            let field = format!("plugins.Score.enabled {}", name.value);
            let scorer = match name.value.as_str() {
                "least-request" => Scorer::BelowMost(Measure::Unstarted),
                "gpu-usage" => Scorer::Room { measure: Measure::KvUsed, limit: 1_000_000 },
                "least-latency" => Scorer::Latency { ttft_ppm: args.ttft_ppm },
                "prefix-cache" | "kvcache-aware" => Scorer::Prefix,
                "random" if is_alone => Scorer::Draw,
                "random" => {
                    warnings.add(name, field, "is left out beside others, as Kthena leaves it out");
                    continue;
                }
                _ => {
                    let known = "least-request, gpu-usage, least-latency, prefix-cache, kvcache-aware or random";
                    warnings.add(name, field, format!("is skipped, as Kthena skips it: expected {known}"));
                    continue;
                }
            };
            let wide = || {
                let told = format!(
                    "{field}: the weight {weight} is too large; expected {MOST_WEIGHT} at most of all together"
                );
                wrong(name, told)
            };
            let others: u32 = scores.iter().map(|score| score.weight).sum();
            let left = MOST_WEIGHT - others;
            let weight = u32::try_from((*weight).max(0)).ok().filter(|weight| *weight <= left).ok_or_else(wide)?;
            if weight == 0 {
                warnings.add(name, field, "has no effect at weight 0");
                continue;
            }
            // Two that are one here count as both.
            match scores.iter_mut().find(|known| known.scorer == scorer) {
                Some(known) => known.weight += weight,
                None => scores.push(Weighted::new(scorer, weight).in_steps(100)),
            }
        }
        Ok(scores)
    }

    fn policy(&self, mut scores: Vec<Weighted>, args: Args, warnings: &mut Warnings) -> Policy {
        let mut filters = Vec::new();
        for name in &self.filter.enabled {
            let field = format!("plugins.Filter.enabled {}", name.value);
            match name.value.as_str() {
                "least-request" => {
                    filters.push(Filter { measure: Measure::Waiting, below: args.max_waiting, fail: FailMode::Closed });
                }
                "lora-affinity" if scores.iter().any(|score| score.scorer == Scorer::Adapter) => {
                    warnings.add(name, field, "has no further effect a second time");
                }
                "lora-affinity" => {
                    // One that has it is worth more than all else together than one with room for it.
                    let others: u32 = scores.iter().map(|score| score.weight).sum();
                    scores.push(Weighted::new(Scorer::Adapter, 5 * others + 1));
                    let message = "an engine that has the adapter comes before all others, and where none has it one \
                                   with room for it is asked, where Kthena would refuse";
                    warnings.add(name, field, message);
                }
                _ => {
                    let message = "is skipped, as Kthena skips it: expected least-request or lora-affinity";
                    warnings.add(name, field, message);
                }
            }
        }
        if scores.is_empty() {
            // Nothing tells them apart.
            scores.push(Weighted::new(Scorer::Draw, 1));
        }
        let policy = Policy::new(NAME, Combination::Sum(scores)).and_then(|policy| policy.with_filters(filters));
        // There a metric that was never read is 0.
        policy.expect("scores of known plugins, with weights in range").with_unknown(Unknown::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELM: &str = "\
scheduler:
  pluginConfig:
  - name: least-request
    args: {maxWaitingRequests: 10}
  - name: least-latency
    args: {TTFTTPOTWeightFactor: 0.5}
  - name: prefix-cache
    args: {blockSizeToHash: 64, maxBlocksToMatch: 128, maxHashCacheSize: 50000}
  plugins:
    Filter:
      enabled: [least-request]
      disabled: [lora-affinity]
    Score:
      enabled:
      - {name: least-request, weight: 1}
      - {name: gpu-usage, weight: 1}
      - {name: least-latency, weight: 1}
      - {name: prefix-cache, weight: 1}
auth:
  issuer: ''
";

    fn read(text: &str) -> RouterConfig {
        RouterConfig::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
    }

    #[test]
    fn the_default_of_the_chart_is_the_preset() {
        assert!(is_meant(HELM));
        let config = read(HELM);
        let preset = Policy::kthena();
        assert_eq!(config.policy.combination(), preset.combination());
        assert_eq!((config.policy.filters(), config.policy.unknown()), (preset.filters(), preset.unknown()));
        let told: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with(":8: pluginConfig prefix-cache.blockSizeToHash: has no effect"), "{told:?}");
        assert!(told[3].starts_with(":12: disabled: "), "{told:?}");
    }

    #[test]
    fn arguments_and_weights_count() {
        let text = "scheduler:\n  pluginConfig:\n  - {name: least-request, args: {maxWaitingRequests: 3}}\n  \
                    - {name: least-latency, args: {TTFTTPOTWeightFactor: 0.25}}\n  plugins:\n    \
                    Filter: {enabled: [least-request, lora-affinity, other]}\n    Score:\n      enabled:\n      \
                    - {name: least-latency, weight: 2}\n      - {name: prefix-cache, weight: 1}\n      \
                    - {name: kvcache-aware, weight: 3}\n      - {name: random, weight: 9}\n      \
                    - {name: gpu-usage, weight: -1}\n      - {name: magic, weight: 1}\n";
        let config = read(text);
        let expected = Combination::Sum(vec![
            Weighted::new(Scorer::Latency { ttft_ppm: 250_000 }, 2).in_steps(100),
            Weighted::new(Scorer::Prefix, 4).in_steps(100),
            Weighted::new(Scorer::Adapter, 31),
        ]);
        assert_eq!(config.policy.combination(), &expected);
        assert_eq!(config.policy.filters()[0].below, 3);
        let lines: Vec<_> = config.warnings.iter().map(|warning| warning.line).collect();
        assert_eq!(lines, [12, 13, 14, 6, 6]);
        let alone = read("scheduler: {plugins: {Score: {enabled: [{name: random, weight: 1}]}}}");
        assert_eq!(alone.policy.combination(), &Combination::Sum(vec![Weighted::new(Scorer::Draw, 1).in_steps(100)]));
        assert!(read("scheduler: {}").warnings.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_field() {
        let latency =
            "scheduler:\n  pluginConfig:\n  - name: least-latency\n    args:\n      TTFTTPOTWeightFactor: 2\n";
        for (text, place, message) in [
            (latency, ":5:", "least-latency.TTFTTPOTWeightFactor: expected a number from 0 to 1"),
            ("scheduler:\n  plugin: {}\n", ":2:", "plugin"),
            ("scheduler: {}\nauth:\n  jwksUri: https://x/keys\n", ":3:", "auth.jwksUri: tokens are not checked"),
            ("scheduler:\n  plugins:\n    Score: {enabled: [{weight: 1}]}\n", ":3:", "name"),
        ] {
            let told = RouterConfig::parse(text).expect_err(text).to_string();
            assert!(told.starts_with(place) && told.contains(message), "{told}");
        }
        // What stands twice counts once, or not at all.
        let most = |weights: &str| {
            let filter = "Filter: {enabled: [lora-affinity, lora-affinity]}";
            RouterConfig::parse(&format!("scheduler:\n  plugins:\n    {filter}\n    Score: {{enabled: [{weights}]}}\n"))
        };
        let weights = "{name: least-request, weight: 65535}, {name: gpu-usage, weight: 1}";
        assert!(most(weights).is_ok());
        let told = most(&format!("{weights}, {{name: random, weight: 1}}, {{name: least-latency, weight: 1}}"));
        assert!(told.expect_err("too much").to_string().contains("expected 65536 at most of all together"));
        for text in ["models: []\nscheduler: {}", "kind: ConfigMap\nscheduler: {}", "[]"] {
            assert!(!is_meant(text), "{text}");
        }
        let other = read("scheduler: {}\ntelemetry: {a: 1}\n");
        assert_eq!(other.warnings[0].to_string(), ":2: telemetry: is not known; it has no effect");
    }
}
