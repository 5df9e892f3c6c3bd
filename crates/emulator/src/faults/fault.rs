//! One fault: what goes wrong, with which requests, and how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that an emulated engine does wrong on purpose.
///
/// It is written as its name, and fields: `status,status=503,permille=200,count=5`. Every fault but `refuse` has these:
/// `permille`, the thousandths of requests that it strikes (1000), `count`, how many it strikes at the most (any number),
/// and `path`, how the paths begin that it strikes (`/v1/`).
///
/// | written | what happens | fields of its own |
/// |---|---|---|
/// | `refuse` | no connection is taken, for a time from now on; those that are open stay | `millis` |
/// | `hang` | there is no answer, until the client leaves | |
/// | `close` | the connection ends before the head of an answer | |
/// | `status` | an error is answered | `status`, 200 to 599 (500); `body` |
/// | `die` | the connection ends after so many chunks of an answer | `after` (0) |
/// | `garbage` | what is answered is no HTTP | |
/// | `slow` | each chunk of an answer comes so much later | `millis` |
///
/// ```
/// use std::time::Duration;
/// use phalanx_emulator::{Fault, FaultKind};
///
/// let fault: Fault = "die,after=3,count=1".parse()?;
/// assert_eq!(fault, Fault::new(FaultKind::Die { after: 3 }).with_count(1));
/// assert_eq!(fault.to_string(), "die,after=3,count=1");
/// let error = "die,after=many".parse::<Fault>().unwrap_err();
/// assert_eq!(error.to_string(), "after: found \"many\"; expected a whole number");
/// # Ok::<(), phalanx_emulator::FaultError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    permille: u32,
    count: Option<u32>,
    path: String,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// No connection is taken for so long.
    Refuse(Duration),
    /// There is no answer.
    Hang,
    /// The connection ends before the head of an answer.
    Close,
    /// An error is answered.
    Status {
        /// Its status, 200 to 599.
        status: u16,
        /// Its body: JSON, if clients are to read it.
        body: String,
    },
    /// The connection ends in the middle of an answer.
    Die {
        /// After so many chunks.
        after: u32,
    },
    /// What is answered is no HTTP.
    Garbage,
    /// Each chunk of an answer comes so much later.
    Slow(Duration),
}

/// Why a fault cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: found {found:?}; expected {expected}")]
pub struct FaultError {
    field: String,
    found: String,
    expected: &'static str,
}

/// A fault as JSON, and what a text comes to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    fault: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    millis: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permille: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

const NAMES: &str = "refuse, hang, close, status, die, garbage or slow";
const PATH: &str = "/v1/";
const REFUSED: &str = r#"{"error":{"message":"a fault on purpose","type":"server_error","param":null,"code":500}}"#;

impl Fault {
    /// A fault of every request below `/v1/`.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, permille: 1000, count: None, path: PATH.to_owned() }
    }

    /// Of so many thousandths of the requests, drawn by [the seed](crate::EmulatorConfig::with_fault_seed); above 1,000 they
    /// are 1,000. [`FaultKind::Refuse`] has no use for it, nor for the other two.
    #[must_use]
    pub fn with_permille(mut self, permille: u32) -> Self {
        self.permille = permille.min(1000);
        self
    }

    /// Of so many requests at the most.
    #[must_use]
    pub fn with_count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Of requests whose path begins so.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    pub(super) fn permille(&self) -> u32 {
        self.permille
    }

    pub(super) fn count(&self) -> Option<u32> {
        self.count
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn written(&self) -> Written {
        let mut written = Written {
            permille: (self.permille < 1000).then_some(self.permille),
            count: self.count,
            path: (self.path != PATH).then(|| self.path.clone()),
            ..Written::default()
        };
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let name = match &self.kind {
            FaultKind::Refuse(time) => {
                written.millis = Some(millis(time));
                "refuse"
            }
            FaultKind::Hang => "hang",
            FaultKind::Close => "close",
            FaultKind::Status { status, body } => {
                (written.status, written.body) = (Some(*status), Some(body.clone()));
                "status"
            }
            FaultKind::Die { after } => {
                written.after = Some(*after);
                "die"
            }
            FaultKind::Garbage => "garbage",
            FaultKind::Slow(time) => {
                written.millis = Some(millis(time));
                "slow"
            }
        };
        name.clone_into(&mut written.fault);
        written
    }
}

impl FaultError {
    fn new(field: impl Into<String>, found: impl ToString, expected: &'static str) -> Self {
        Self { field: field.into(), found: found.to_string(), expected }
    }
}

impl TryFrom<Written> for Fault {
    type Error = FaultError;

    fn try_from(mut written: Written) -> Result<Self, FaultError> {
        let time = |millis: Option<u64>| {
            let wrong = || FaultError::new("millis", millis.unwrap_or(0), "a whole number above 0");
            millis.filter(|millis| *millis > 0).map(Duration::from_millis).ok_or_else(wrong)
        };
        let kind = match written.fault.as_str() {
            "refuse" => FaultKind::Refuse(time(written.millis.take())?),
            "hang" => FaultKind::Hang,
            "close" => FaultKind::Close,
            "status" => {
                let status = written.status.take().unwrap_or(500);
                if !(200..600).contains(&status) {
                    return Err(FaultError::new("status", status, "200 to 599"));
                }
                FaultKind::Status { status, body: written.body.take().unwrap_or_else(|| REFUSED.to_owned()) }
            }
            "die" => FaultKind::Die { after: written.after.take().unwrap_or(0) },
            "garbage" => FaultKind::Garbage,
            "slow" => FaultKind::Slow(time(written.millis.take())?),
            other => return Err(FaultError::new("fault", other, NAMES)),
        };
        let is_refuse = matches!(kind, FaultKind::Refuse(_));
        // What is left over is of other faults.
        for (field, found) in [
            ("millis", written.millis.map(|millis| millis.to_string())),
            ("status", written.status.map(|status| status.to_string())),
            ("body", written.body),
            ("after", written.after.map(|after| after.to_string())),
            ("permille", written.permille.filter(|_| is_refuse).map(|permille| permille.to_string())),
            ("count", written.count.filter(|_| is_refuse).map(|count| count.to_string())),
            ("path", written.path.clone().filter(|_| is_refuse)),
        ] {
            if let Some(found) = found {
                return Err(FaultError::new(field, found, "no such field of this fault"));
            }
        }
        if let Some(permille) = written.permille.filter(|permille| *permille > 1000) {
            return Err(FaultError::new("permille", permille, "0 to 1000"));
        }
        let path = written.path.unwrap_or_else(|| PATH.to_owned());
        if !path.starts_with('/') {
            return Err(FaultError::new("path", path, "how paths begin, such as /v1/chat"));
        }
        Ok(Self { kind, permille: written.permille.unwrap_or(1000), count: written.count, path })
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        fn number<T: FromStr>(field: &str, text: &str) -> Result<Option<T>, FaultError> {
            text.parse().map(Some).map_err(|_| FaultError::new(field, text, "a whole number"))
        }
        let (name, mut rest) = text.split_once(',').unwrap_or((text, ""));
        let mut written = Written { fault: name.to_owned(), ..Written::default() };
        while !rest.is_empty() {
            let (field, value) = rest.split_once('=').ok_or_else(|| FaultError::new(name, rest, "field=value"))?;
            // A body has commas of its own, so it stands last.
            let is_last = field == "body";
            let (value, after) = value.split_once(',').filter(|_| !is_last).unwrap_or((value, ""));
            match field {
                "status" => written.status = number(field, value)?,
                "after" => written.after = number(field, value)?,
                "millis" => written.millis = number(field, value)?,
                "permille" => written.permille = number(field, value)?,
                "count" => written.count = number(field, value)?,
                "path" => written.path = Some(value.to_owned()),
                "body" => written.body = Some(value.to_owned()),
                other => {
                    let expected = "status, after, millis, permille, count, path or body";
                    return Err(FaultError::new(name, other, expected));
                }
            }
            rest = after;
        }
        written.try_into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Written { fault, status, body, after, millis, permille, count, path } = self.written();
        f.write_str(&fault)?;
        let numbers = [
            ("status", status.map(u64::from)),
            ("after", after.map(u64::from)),
            ("millis", millis),
            ("permille", permille.map(u64::from)),
            ("count", count.map(u64::from)),
        ];
        for (field, value) in numbers {
            value.map_or(Ok(()), |value| write!(f, ",{field}={value}"))?;
        }
        path.map_or(Ok(()), |path| write!(f, ",path={path}"))?;
        body.filter(|body| body != REFUSED).map_or(Ok(()), |body| write!(f, ",body={body}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_written_as_it_is_read() {
        for text in [
            "refuse,millis=500",
            "hang",
            "close,permille=0",
            "status,status=503,permille=200,count=5",
            "status,status=429,path=/v1/chat,body={\"a\":1,\"b\":2}",
            "die,after=0",
            "garbage,count=1",
            "slow,millis=50",
        ] {
            let fault: Fault = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.to_string(), text);
            assert_eq!(Fault::try_from(fault.written()).as_ref(), Ok(&fault), "{text}");
        }
        assert_eq!("status".parse::<Fault>().expect("a fault").to_string(), "status,status=500");
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        for (text, message) in [
            ("", "fault: found \"\"; expected refuse, hang"),
            ("explode", "fault: found \"explode\"; expected refuse, hang"),
            ("hang,now", "hang: found \"now\"; expected field=value"),
            ("hang,often=1", "hang: found \"often\"; expected status, after"),
            ("hang,after=1", "after: found \"1\"; expected no such field"),
            ("hang,permille=1001", "permille: found \"1001\"; expected 0 to 1000"),
            ("hang,path=v1", "path: found \"v1\"; expected how paths begin"),
            ("status,status=99", "status: found \"99\"; expected 200 to 599"),
            ("slow", "millis: found \"0\"; expected a whole number above 0"),
            ("refuse,millis=1,count=1", "count: found \"1\"; expected no such field"),
        ] {
            let error = text.parse::<Fault>().expect_err(text).to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
