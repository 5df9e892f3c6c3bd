//! Links as they are written, before they were checked.

use core::time::Duration;

use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Cell, Link, LinkCosts, LinkError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Written {
    /// One link within each domain, and one between any two.
    Uniform(Uniform),
    /// By origin, then by destination.
    Rows(Vec<Vec<Link>>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uniform {
    domains: u32,
    within: Link,
    between: Link,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLink {
    latency_nanos: u64,
    nanos_per_mib: u32,
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut link = serializer.serialize_struct("Link", 2)?;
        link.serialize_field("latency_nanos", &u64::try_from(self.latency.as_nanos()).unwrap_or(u64::MAX))?;
        link.serialize_field("nanos_per_mib", &self.nanos_per_mib)?;
        link.end()
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenLink { latency_nanos, nanos_per_mib } = WrittenLink::deserialize(deserializer)?;
        Ok(Self::new(Duration::from_nanos(latency_nanos), nanos_per_mib))
    }
}

impl Serialize for LinkCosts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let link = |cell: &Cell| Link::new(Duration::from_nanos(cell.latency.unsigned_abs()), cell.per_mib);
        let domains = self.domains as usize;
        let (within, between) = (link(&self.cells[0]), link(self.cells.get(1).unwrap_or(&self.cells[0])));
        let uniform = Self::uniform(self.domains, within, between);
        let written = if uniform.is_ok_and(|uniform| uniform == *self) {
            Written::Uniform(Uniform { domains: self.domains, within, between })
        } else {
            let row = |from: usize| (0..domains).map(|to| link(&self.cells[to * domains + from])).collect();
            Written::Rows((0..domains).map(row).collect())
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LinkCosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let links = match Written::deserialize(deserializer)? {
            Written::Uniform(Uniform { domains, within, between }) => Self::uniform(domains, within, between),
            Written::Rows(rows) => Self::from_rows(&rows),
        };
        links.map_err(|error| {
            let field = match error {
                LinkError::Domains { .. } => "links".to_owned(),
                LinkError::Row { row, .. } => format!("links.rows[{row}]"),
                LinkError::UnknownDomain { .. } => "links.rows".to_owned(),
            };
            D::Error::custom(format!("{field}: {error}"))
        })
    }
}
