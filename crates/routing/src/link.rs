//! What it takes to move bytes between two places of the network.

mod written;

use core::fmt;
use core::time::Duration;

use thiserror::Error;

use crate::line::MOST;

/// A place of the network, by a number of the caller's, from 0: a rack, a pod of switches, a zone.
///
/// ```
/// use phalanx_routing::Domain;
///
/// assert_eq!(Domain::from(3).index(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(u32);

impl Domain {
    pub(crate) const FIRST: Self = Self(0);

    /// Its number.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<u32> for Domain {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The way from one domain to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Before the first byte arrives.
    pub latency: Duration,
    /// Nanoseconds for each mebibyte: 83,886 of a link of 100 Gbit/s.
    pub nanos_per_mib: u32,
}

impl Link {
    /// A way of so much latency, on which a mebibyte takes so many nanoseconds.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::Link;
    ///
    /// let link = Link::new(Duration::from_micros(20), 83_886);
    /// assert_eq!(link.transfer(3 << 20), Duration::from_nanos(20_000 + 3 * 83_886));
    /// assert_eq!(link.transfer(0), Duration::ZERO);
    /// ```
    #[must_use]
    pub const fn new(latency: Duration, nanos_per_mib: u32) -> Self {
        Self { latency, nanos_per_mib }
    }

    /// What it takes to move so many bytes, rounded up to a nanosecond: nothing if there are none, and 36 years at the
    /// most.
    #[must_use]
    pub fn transfer(self, bytes: u64) -> Duration {
        Duration::from_nanos(Cell::from(self).nanos(bytes).unsigned_abs())
    }
}

/// What a byte costs between any two domains: a dense matrix, symmetric or not.
///
/// It takes 16 bytes for each pair of domains, and a question takes the time of one look.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::{Domain, Link, LinkCosts};
///
/// let near = Link::new(Duration::from_micros(5), 21_000);
/// let far = Link::new(Duration::from_micros(40), 168_000);
/// let slow = Link::new(Duration::from_millis(1), 1_000_000);
/// let (first, second) = (Domain::from(0), Domain::from(1));
/// let links = LinkCosts::uniform(3, near, far)?.with_link(first, second, slow)?;
/// assert_eq!(links.link(first, second), Ok(slow));
/// assert_eq!(links.link(second, first), Ok(far));
/// # Ok::<(), phalanx_routing::LinkError>(())
/// ```
///
/// In a file links are `uniform`, or `rows` with one for each origin, which have a link for each destination:
///
/// ```
/// use phalanx_routing::{Domain, LinkCosts};
///
/// let near = r#"{"latency_nanos": 5000, "nanos_per_mib": 21000}"#;
/// let far = r#"{"latency_nanos": 40000, "nanos_per_mib": 168000}"#;
/// let uniform = format!(r#"{{"uniform": {{"domains": 2, "within": {near}, "between": {far}}}}}"#);
/// let rows = format!(r#"{{"rows": [[{near}, {far}], [{far}, {near}]]}}"#);
/// assert_eq!(serde_json::from_str::<LinkCosts>(&uniform)?, serde_json::from_str::<LinkCosts>(&rows)?);
///
/// let error = serde_json::from_str::<LinkCosts>(&format!(r#"{{"rows": [[{near}, {far}], [{far}]]}}"#)).unwrap_err();
/// assert!(error.to_string().starts_with("links.rows[1]: row 1 has 1 links; expected 2"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCosts {
    domains: u32,
    /// By destination, then by origin.
    cells: Vec<Cell>,
}

/// A link in the unit of costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    latency: i64,
    per_mib: u32,
}

/// Why there are no such links.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A domain that the links do not know.
    #[error("domain {domain} is unknown; expected one below {domains}")]
    UnknownDomain {
        /// The domain.
        domain: Domain,
        /// How many domains there are.
        domains: u32,
    },
    /// More domains than a dense matrix is good for.
    #[error("links between {domains} domains; expected 1 to {most}")]
    Domains {
        /// How many there would be.
        domains: u64,
        /// How many there may be.
        most: u32,
    },
    /// A row that is not as long as there are rows.
    #[error("row {row} has {found} links; expected {expected}")]
    Row {
        /// Its place, from 0.
        row: usize,
        /// How many links it has.
        found: usize,
        /// How many rows there are.
        expected: usize,
    },
}

/// Domains up to this: 64 MiB of links.
const MOST_DOMAINS: u32 = 2048;

impl LinkCosts {
    /// Domains that are all alike: one way within each, and one between any two.
    ///
    /// # Errors
    ///
    /// [`LinkError::Domains`] for none, or for more than 2,048.
    pub fn uniform(domains: u32, within: Link, between: Link) -> Result<Self, LinkError> {
        let most = MOST_DOMAINS;
        if !(1..=most).contains(&domains) {
            return Err(LinkError::Domains { domains: domains.into(), most });
        }
        let (within, between) = (Cell::from(within), Cell::from(between));
        let row = |to: u32| (0..domains).map(move |from| if from == to { within } else { between });
        Ok(Self { domains, cells: (0..domains).flat_map(row).collect() })
    }

    /// A row of links for each origin, with one for each destination.
    ///
    /// # Errors
    ///
    /// [`LinkError::Domains`] for no rows, or for more than 2,048; [`LinkError::Row`] for one of another length.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Domain, Link, LinkCosts};
    ///
    /// let link = |micros| Link::new(Duration::from_micros(micros), 83_886);
    /// let links = LinkCosts::from_rows(&[vec![link(1), link(2)], vec![link(3), link(4)]])?;
    /// assert_eq!(links.link(Domain::from(0), Domain::from(1)), Ok(link(2)));
    /// assert!(LinkCosts::from_rows(&[vec![link(1), link(2)]]).is_err());
    /// # Ok::<(), phalanx_routing::LinkError>(())
    /// ```
    pub fn from_rows(rows: &[Vec<Link>]) -> Result<Self, LinkError> {
        let (most, expected) = (MOST_DOMAINS, rows.len());
        let domains = u32::try_from(expected).ok().filter(|domains| (1..=most).contains(domains));
        let domains = domains.ok_or(LinkError::Domains { domains: expected as u64, most })?;
        for (row, links) in rows.iter().enumerate() {
            if links.len() != expected {
                return Err(LinkError::Row { row, found: links.len(), expected });
            }
        }
        let cells = (0..expected).flat_map(|to| rows.iter().map(move |row| Cell::from(row[to])));
        Ok(Self { domains, cells: cells.collect() })
    }

    /// With another link from one domain to another, in this direction.
    ///
    /// # Errors
    ///
    /// [`LinkError::UnknownDomain`].
    pub fn with_link(mut self, from: Domain, to: Domain, link: Link) -> Result<Self, LinkError> {
        let at = self.at(from, to)?;
        self.cells[at] = Cell::from(link);
        Ok(self)
    }

    /// The link from one domain to another.
    ///
    /// # Errors
    ///
    /// [`LinkError::UnknownDomain`].
    pub fn link(&self, from: Domain, to: Domain) -> Result<Link, LinkError> {
        let Cell { latency, per_mib } = self.cells[self.at(from, to)?];
        Ok(Link { latency: Duration::from_nanos(latency.unsigned_abs()), nanos_per_mib: per_mib })
    }

    /// How many domains there are: their numbers are below this.
    #[must_use]
    pub fn domains(&self) -> u32 {
        self.domains
    }

    /// The links to a domain, by origin. Both must be known.
    pub(crate) fn to(&self, to: Domain) -> &[Cell] {
        let domains = self.domains as usize;
        &self.cells[to.index() * domains..][..domains]
    }

    pub(crate) fn knows(&self, domain: Domain) -> bool {
        domain.0 < self.domains
    }

    fn at(&self, from: Domain, to: Domain) -> Result<usize, LinkError> {
        match [from, to].into_iter().find(|domain| !self.knows(*domain)) {
            Some(domain) => Err(LinkError::UnknownDomain { domain, domains: self.domains }),
            None => Ok(to.index() * self.domains as usize + from.index()),
        }
    }
}

impl From<Link> for Cell {
    fn from(link: Link) -> Self {
        let latency = i64::try_from(link.latency.as_nanos()).unwrap_or(MOST).min(MOST);
        Self { latency, per_mib: link.nanos_per_mib }
    }
}

impl Cell {
    /// What it takes to move so many bytes, in nanoseconds.
    #[inline]
    pub(crate) fn nanos(self, bytes: u64) -> i64 {
        if bytes == 0 {
            return 0;
        }
        let moving = match bytes.checked_mul(self.per_mib.into()) {
            // It is below 2^44.
            Some(moving) => moving.div_ceil(1 << 20) as i64,
            None => {
                let moving = (u128::from(bytes) * u128::from(self.per_mib)).div_ceil(1 << 20);
                if moving > MOST as u128 { MOST } else { moving as i64 }
            }
        };
        (self.latency + moving).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_domain_is_named() {
        let link = Link::new(Duration::ZERO, 1);
        let links = LinkCosts::uniform(2, link, link).expect("two domains");
        let error = links.link(Domain::from(1), Domain::from(7)).expect_err("there are two");
        assert_eq!(error.to_string(), "domain 7 is unknown; expected one below 2");
        assert!(links.with_link(Domain::from(2), Domain::from(0), link).is_err());
    }

    #[test]
    fn no_transfer_overflows() {
        let slowest = Link::new(Duration::MAX, u32::MAX);
        assert_eq!(slowest.transfer(u64::MAX), Duration::from_nanos(MOST.unsigned_abs()));
        assert_eq!(Link::new(Duration::ZERO, 1).transfer(1), Duration::from_nanos(1));
    }
}
