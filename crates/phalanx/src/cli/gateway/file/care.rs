//! The parts of the file that matter when something fails: limits, further tries, the breaker, checks, the end, the log.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use phalanx_gateway::{AccessLog, Drain, GatewayConfig, HealthCheck, Limits, LogFormat, Retry, Timeouts};
use phalanx_routing::{Breaker, Outlier};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::super::super::input::Wrong;
use super::wrong;

/// A value that is read by [`time`], [`number`], [`bytes`] or [`share`], and so told with its field.
pub(super) type Value = Option<Spanned<String>>;

/// Limits for clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsPart {
    head_timeout: Value,
    body_timeout: Value,
    stall_timeout: Value,
    max_body: Value,
    max_head: Value,
    max_connections: Value,
}

/// Limits for engines, of one model.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimeoutsPart {
    per_try: Value,
    head: Value,
    idle: Value,
    total: Value,
}

/// Rules for further tries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryPart {
    tries: Value,
    share: Value,
    per_second: Value,
    pause: Value,
    longest_pause: Value,
    statuses: Option<Vec<u16>>,
}

/// Who is left alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BreakerPart {
    failures: Value,
    pause: Value,
    longest_pause: Value,
    trials: Value,
    successes: Value,
    most_out: Value,
    outlier: Option<Switch<OutlierPart>>,
}

/// Whose failures are out of line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OutlierPart {
    deviations_permille: Value,
    share: Value,
    outcomes: Value,
    endpoints: Value,
}

/// How engines are asked whether they are well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckPart {
    path: String,
    #[serde(default)]
    interval: Value,
    #[serde(default)]
    timeout: Value,
    #[serde(default)]
    up_after: Value,
    #[serde(default)]
    down_after: Value,
}

/// How the gateway ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DrainPart {
    delay: Value,
    grace: Value,
}

/// A line for each request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogPart {
    format: Form,
    #[serde(default)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Output {
    Stdout,
    #[default]
    Stderr,
}

/// `off`, or how it is on.
#[derive(Clone, Debug)]
pub(super) enum Switch<T> {
    Off,
    On(T),
}

/// All of them.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) connect_timeout: &'a Value,
    pub(super) limits: &'a LimitsPart,
    pub(super) retry: Option<&'a Spanned<RetryPart>>,
    pub(super) breaker: Option<&'a Spanned<Switch<BreakerPart>>>,
    pub(super) health_check: Option<&'a Spanned<CheckPart>>,
    pub(super) drain: &'a DrainPart,
    pub(super) access_log: Option<LogPart>,
}

impl Parts<'_> {
    /// The configuration with what is said here.
    pub(super) fn apply(&self, mut config: GatewayConfig) -> Result<GatewayConfig, Wrong> {
        config = config.with_limits(self.limits.read()?).with_drain(self.drain.read()?);
        if let Some(limit) = time("connect_timeout", self.connect_timeout)? {
            config = config.with_connect_timeout(limit);
        }
        if let Some(retry) = self.retry {
            config = config.with_retry(retry.value.read(retry)?);
        }
        if let Some(breaker) = self.breaker {
            config = config.with_breaker(match &breaker.value {
                Switch::Off => None,
                Switch::On(part) => Some(part.read(breaker)?),
            });
        }
        if let Some(check) = self.health_check {
            config = config.with_health_check(check.value.read(check)?);
        }
        if let Some(LogPart { format, output }) = self.access_log {
            let format = match format {
                Form::Text => LogFormat::Text,
                Form::Json => LogFormat::Json,
            };
            config = config.with_access_log(match output {
                Output::Stdout => AccessLog::new(format, std::io::stdout()),
                Output::Stderr => AccessLog::new(format, std::io::stderr()),
            });
        }
        Ok(config)
    }
}

impl LimitsPart {
    fn read(&self) -> Result<Limits, Wrong> {
        let usual = Limits::default();
        Ok(Limits {
            head_timeout: time("head_timeout", &self.head_timeout)?.unwrap_or(usual.head_timeout),
            body_timeout: time("body_timeout", &self.body_timeout)?.unwrap_or(usual.body_timeout),
            stall_timeout: time("stall_timeout", &self.stall_timeout)?.unwrap_or(usual.stall_timeout),
            max_body: bytes("max_body", &self.max_body)?.unwrap_or(usual.max_body),
            max_head: bytes("max_head", &self.max_head)?.unwrap_or(usual.max_head),
            max_connections: number("max_connections", &self.max_connections)?.unwrap_or(usual.max_connections),
        })
    }
}

impl TimeoutsPart {
    pub(super) fn read(&self) -> Result<Timeouts, Wrong> {
        Ok(Timeouts {
            per_try: time("per_try", &self.per_try)?,
            head: time("head", &self.head)?,
            idle: time("idle", &self.idle)?.or(Timeouts::default().idle),
            total: time("total", &self.total)?,
        })
    }
}

impl RetryPart {
    pub(super) fn read<T>(&self, at: &Spanned<T>) -> Result<Retry, Wrong> {
        let wrong = |error: phalanx_gateway::RetryError| wrong(at, format!("retry.{error}"));
        let mut retry = Retry::new();
        if let Some(tries) = number("tries", &self.tries)? {
            retry = retry.with_tries(tries).map_err(wrong)?;
        }
        let (share, per_second) = (share("share", &self.share)?, number("per_second", &self.per_second)?);
        if share.is_some() || per_second.is_some() {
            retry = retry.with_budget(share.map_or(200, |ppm| ppm / 1000), per_second.unwrap_or(10)).map_err(wrong)?;
        }
        let (first, longest) = (time("pause", &self.pause)?, time("longest_pause", &self.longest_pause)?);
        if first.is_some() || longest.is_some() {
            let millis = Duration::from_millis;
            retry = retry.with_pause(first.unwrap_or(millis(5)), longest.unwrap_or(millis(100))).map_err(wrong)?;
        }
        match &self.statuses {
            Some(statuses) => retry.with_statuses(statuses.iter().copied()).map_err(wrong),
            None => Ok(retry),
        }
    }
}

impl BreakerPart {
    fn read<T>(&self, at: &Spanned<T>) -> Result<Breaker, Wrong> {
        let wrong = |error: phalanx_routing::BreakerError| wrong(at, format!("breaker: {error}"));
        let mut breaker = Breaker::new();
        if let Some(failures) = number("failures", &self.failures)? {
            breaker = breaker.with_failures(failures).map_err(wrong)?;
        }
        let (first, longest) = (time("pause", &self.pause)?, time("longest_pause", &self.longest_pause)?);
        if first.is_some() || longest.is_some() {
            let seconds = Duration::from_secs;
            breaker =
                breaker.with_pause(first.unwrap_or(seconds(30)), longest.unwrap_or(seconds(300))).map_err(wrong)?;
        }
        let (trials, successes) = (number("trials", &self.trials)?, number("successes", &self.successes)?);
        if trials.is_some() || successes.is_some() {
            breaker = breaker.with_trials(trials.unwrap_or(1), successes.unwrap_or(3)).map_err(wrong)?;
        }
        if let Some(ppm) = share("most_out", &self.most_out)? {
            breaker = breaker.with_most_out(ppm).map_err(wrong)?;
        }
        match &self.outlier {
            None => Ok(breaker),
            Some(Switch::Off) => breaker.with_outlier(None).map_err(wrong),
            Some(Switch::On(part)) => {
                let outlier = Outlier {
                    deviations_permille: number("deviations_permille", &part.deviations_permille)?.unwrap_or(1900),
                    share_ppm: share("share", &part.share)?.unwrap_or(100_000),
                    outcomes: number("outcomes", &part.outcomes)?.unwrap_or(32),
                    endpoints: number("endpoints", &part.endpoints)?.unwrap_or(5),
                };
                breaker.with_outlier(Some(outlier)).map_err(wrong)
            }
        }
    }
}

impl CheckPart {
    fn read<T>(&self, at: &Spanned<T>) -> Result<HealthCheck, Wrong> {
        let wrong = |error: phalanx_gateway::HealthCheckError| wrong(at, format!("health_check.{error}"));
        let second = Duration::from_secs(1);
        let interval = time("interval", &self.interval)?.unwrap_or(5 * second);
        let timeout = time("timeout", &self.timeout)?.unwrap_or(second.min(interval));
        let (up, down) = (number("up_after", &self.up_after)?, number("down_after", &self.down_after)?);
        let check = HealthCheck::get(&self.path).and_then(|check| check.with_interval(interval, timeout));
        check.and_then(|check| check.with_thresholds(up.unwrap_or(2), down.unwrap_or(3))).map_err(wrong)
    }
}

impl DrainPart {
    fn read(&self) -> Result<Drain, Wrong> {
        let usual = Drain::default();
        Ok(Drain {
            delay: read("delay", &self.delay, "a time such as 5s, 500ms or 0s", duration)?.unwrap_or(usual.delay),
            grace: time("grace", &self.grace)?.unwrap_or(usual.grace),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Switch<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("off, or fields")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Switch<T>, E> {
                if on { Err(E::custom("found true; expected off, or fields")) } else { Ok(Switch::Off) }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Switch<T>, E> {
                let expected = || E::custom(format!("found {text:?}; expected off, or fields"));
                if text == "off" { Ok(Switch::Off) } else { Err(expected()) }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Switch::On)
            }
        }

        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// A time of more than 0.
pub(super) fn time(field: &str, value: &Value) -> Result<Option<Duration>, Wrong> {
    let longer = |text: &str| duration(text).filter(|time| !time.is_zero());
    read(field, value, "a time such as 60s, 500ms or 2m", longer)
}

fn number<T: FromStr>(field: &str, value: &Value) -> Result<Option<T>, Wrong> {
    read(field, value, "a whole number", |text| text.parse().ok())
}

pub(super) fn bytes(field: &str, value: &Value) -> Result<Option<usize>, Wrong> {
    read(field, value, "a size such as 65536, 64KiB or 64MiB", |text| {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("", 0)];
        let (number, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
        number.trim().parse::<usize>().ok()?.checked_mul(1 << shift)
    })
}

/// A share in parts of a million.
fn share(field: &str, value: &Value) -> Result<Option<u32>, Wrong> {
    read(field, value, "a share from 0% to 100%", |text| {
        let percent: u32 = text.strip_suffix('%')?.trim().parse().ok()?;
        (percent <= 100).then_some(percent * 10_000)
    })
}

fn read<T>(field: &str, value: &Value, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Wrong> {
    let Some(text) = value else { return Ok(None) };
    let told = || wrong(text, format!("{field}: found {:?}; expected {expected}", text.value));
    parse(text.value.trim()).map(Some).ok_or_else(told)
}

/// A time as it is written: a whole number and `s`, `ms` or `m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    units.iter().find_map(|(unit, factor)| {
        let number: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(Duration::from_millis(u64::from(number) * factor))
    })
}
