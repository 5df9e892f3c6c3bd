//! A cluster in one line, for tests and the command line.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{CapacityError, DeviceSet, Inventory, Topology, TopologyError};

/// The levels of the notation, coarse to fine: as many of the last ones as the braces are deep.
const LEVELS: [&str; 3] = ["zone", "block", "rack"];

/// What the devices of a cluster in notation are, unless it says.
const KIND: &str = "gpu";

/// The most different resources that a line can name.
const MAX_RESOURCES: usize = 64;

/// Why a line is no cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotationError {
    /// The line does not go on as it should.
    #[error("at column {column}: found {found}, expected {expected}")]
    Syntax {
        /// Where, in characters from 1.
        column: usize,
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// More different resources than a line can name.
    #[error("resource {resource:?} is one too many: at most {max} are possible")]
    TooManyResources {
        /// The resource.
        resource: String,
        /// How many are possible.
        max: usize,
    },
    /// Braces are deeper than there are names for levels.
    #[error("at column {column}: {depth} levels above the nodes, expected at most {} ({})", LEVELS.len(), LEVELS.join(", "))]
    TooDeep {
        /// Where, in characters from 1.
        column: usize,
        /// How deep it is there.
        depth: usize,
    },
    /// The names make no tree.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A node cannot have what it says.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}

impl Inventory {
    /// A cluster in one line: `b1{r1{n1:8 n2:8} r2{n3:4}}` is block b1 with racks r1 and r2 and nodes with 8, 8 and 4 free
    /// devices. The innermost braces are racks, those around them blocks, then zones; a node that stands further out
    /// passes through the levels between, and one outside all braces is outside the tree.
    ///
    /// What a node has follows in this order, each part where it is needed: devices, their kind, islands of so many, resources
    /// in the unit in which the caller counts them, and a mark that it takes no new pods: `n1:8xH100/4(cpu=64,memory=512)!`.
    ///
    /// # Errors
    ///
    /// [`NotationError`] with the column and what was expected. O(n log n) in the length of the line.
    ///
    /// ```
    /// use phalanx_topology::Inventory;
    ///
    /// let inventory = Inventory::from_notation("b1{r1{n1:8 n2:8} r2{n3:4(cpu=32)}}")?;
    /// let topology = inventory.topology();
    /// assert_eq!(topology.node_path(topology.node("n3").unwrap()), "b1/r2/n3");
    /// assert_eq!(inventory.free_devices_total(), 20);
    ///
    /// let error = Inventory::from_notation("r1{n1:x}").unwrap_err();
    /// assert_eq!(error.to_string(), "at column 7: found 'x', expected a number of devices, 0 to 64");
    /// # Ok::<(), phalanx_topology::NotationError>(())
    /// ```
    pub fn from_notation(line: &str) -> Result<Self, NotationError> {
        let rows = Scanner::new(line).rows()?;
        let depth = rows.iter().map(|row| row.domains.len()).max().unwrap_or(0);
        // With no braces at all there is still a level to be outside of.
        let levels = &LEVELS[LEVELS.len() - depth.max(1)..];
        let builder = rows.iter().fold(Topology::builder(levels.iter().copied()), |builder, row| {
            let domains: Vec<(&str, &str)> =
                levels.iter().copied().zip(row.domains.iter().map(String::as_str)).collect();
            builder.node(&row.node, &domains)
        });
        let topology = Arc::new(builder.build()?);
        let mut inventory = Self::new(Arc::clone(&topology));
        for row in &rows {
            let node = topology.node(&row.node).expect("the topology has every row's node");
            inventory.set_devices(node, row.devices, row.kind.as_deref().unwrap_or(KIND))?;
            if let Some(size) = row.island {
                let islands = (0..row.devices).step_by(size as usize).filter_map(|first| {
                    let before = DeviceSet::first(first)?;
                    Some(DeviceSet::first((first + size).min(row.devices))?.without(before))
                });
                inventory.set_islands(node, &islands.collect::<Vec<_>>())?;
            }
            for (name, amount) in &row.resources {
                if inventory.find_resource(name).is_none() && inventory.resources_len() >= MAX_RESOURCES {
                    return Err(NotationError::TooManyResources { resource: name.clone(), max: MAX_RESOURCES });
                }
                let resource = inventory.resource(name);
                inventory.set_capacity(node, resource, *amount)?;
            }
            inventory.set_cordoned(node, row.cordoned);
        }
        Ok(inventory)
    }
}

/// A node as it stands in the line.
#[derive(Debug)]
struct Row {
    node: String,
    domains: Vec<String>,
    devices: u32,
    kind: Option<String>,
    /// How many devices each island has.
    island: Option<u32>,
    resources: Vec<(String, u64)>,
    cordoned: bool,
}

/// Reads the line from left to right; the depth of braces is bounded, and nothing recurses.
#[derive(Debug)]
struct Scanner<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// Of the next character, from 1.
    column: usize,
}

impl<'a> Scanner<'a> {
    fn new(line: &'a str) -> Self {
        Self { rest: line.chars().peekable(), column: 1 }
    }

    fn rows(mut self) -> Result<Vec<Row>, NotationError> {
        let (mut rows, mut open): (Vec<Row>, Vec<String>) = (Vec::new(), Vec::new());
        loop {
            while self.take_if(char::is_whitespace).is_some() {}
            match self.rest.peek() {
                None if open.is_empty() => return Ok(rows),
                None => return Err(self.expected("`}`")),
                Some('}') if !open.is_empty() => {
                    open.pop();
                    self.next();
                }
                Some(_) => {
                    let name = self.word("a name of letters, digits, `-`, `_` and `.`")?;
                    match self.next() {
                        Some('{') if open.len() == LEVELS.len() => {
                            return Err(NotationError::TooDeep { column: self.column - 1, depth: open.len() + 1 });
                        }
                        Some('{') => open.push(name),
                        Some(':') => rows.push(self.node(name, &open)?),
                        found => return Err(self.unexpected(found, "`{` after a domain's name or `:` after a node's")),
                    }
                }
            }
        }
    }

    fn node(&mut self, node: String, open: &[String]) -> Result<Row, NotationError> {
        let devices = self.number("a number of devices, 0 to 64", 64)? as u32;
        let kind = match self.take_if(|c| c == 'x') {
            Some(_) => Some(self.word("the kind of the devices, such as H100")?),
            None => None,
        };
        let mut island = None;
        if self.take_if(|c| c == '/').is_some() {
            let (column, expected) = (self.column, "a number of devices an island, 1 to 64");
            island = Some(self.number(expected, 64)? as u32);
            if island == Some(0) {
                return Err(NotationError::Syntax { column, found: "0".to_owned(), expected });
            }
        }
        let mut resources = Vec::new();
        if self.take_if(|c| c == '(').is_some() {
            loop {
                resources.push((self.word("a resource's name")?, self.amount()?));
                match self.next() {
                    Some(',') => {}
                    Some(')') => break,
                    found => return Err(self.unexpected(found, "`,` or `)`")),
                }
            }
        }
        let cordoned = self.take_if(|c| c == '!').is_some();
        Ok(Row { node, domains: open.to_vec(), devices, kind, island, resources, cordoned })
    }

    fn amount(&mut self) -> Result<u64, NotationError> {
        match self.next() {
            Some('=') => self.number("an amount, a whole number", u64::MAX),
            found => Err(self.unexpected(found, "`=`")),
        }
    }

    fn word(&mut self, expected: &'static str) -> Result<String, NotationError> {
        let mut word = String::new();
        while let Some(c) = self.take_if(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            word.push(c);
        }
        if word.is_empty() { Err(self.expected(expected)) } else { Ok(word) }
    }

    fn number(&mut self, expected: &'static str, max: u64) -> Result<u64, NotationError> {
        let column = self.column;
        let mut digits = String::new();
        while let Some(c) = self.take_if(|c| c.is_ascii_digit()) {
            digits.push(c);
        }
        if digits.is_empty() {
            return Err(self.expected(expected));
        }
        let number = digits.parse().ok().filter(|&number: &u64| number <= max);
        number.ok_or(NotationError::Syntax { column, found: digits, expected })
    }

    fn next(&mut self) -> Option<char> {
        self.column += 1;
        self.rest.next()
    }

    fn take_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let found = self.rest.next_if(|&c| wanted(c));
        self.column += usize::from(found.is_some());
        found
    }

    /// The next character is not what it should be.
    fn expected(&mut self, expected: &'static str) -> NotationError {
        let found = self.rest.peek().copied();
        NotationError::Syntax { column: self.column, found: told(found), expected }
    }

    /// The character just taken is not what it should be.
    fn unexpected(&self, found: Option<char>, expected: &'static str) -> NotationError {
        NotationError::Syntax { column: self.column - 1, found: told(found), expected }
    }
}

fn told(found: Option<char>) -> String {
    match found {
        None => "the end".to_owned(),
        Some(c) => format!("{c:?}"),
    }
}
