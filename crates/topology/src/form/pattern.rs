//! Many names in one.

use super::FormProblem;

/// Many names in one, as hostlists write them: `gpu-[01-16,20]` is `gpu-01` to `gpu-16` and `gpu-20`. Items in brackets are
/// ranges of numbers, as wide as their first one is written, or words; several brackets multiply, the last one running
/// fastest. A name without brackets is itself.
///
/// ```
/// # use phalanx_topology::form::Pattern;
/// let pattern = Pattern::parse("rack-[a,b]-n[09-10]")?;
/// let names: Vec<String> = pattern.names().map(|(name, _)| name).collect();
/// assert_eq!(names, ["rack-a-n09", "rack-a-n10", "rack-b-n09", "rack-b-n10"]);
/// assert_eq!(pattern.len(), 4);
/// # Ok::<(), phalanx_topology::form::FormProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// One more than there are brackets.
    literals: Vec<String>,
    brackets: Vec<Vec<Item>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Word(String),
    Range { first: u64, count: u64, width: usize },
}

/// A text that takes up what the brackets of a [`Pattern`] stand for: with `n[1-4]-[a,b]`, `{2}` is `a` or `b`.
///
/// ```
/// # use phalanx_topology::form::{Pattern, Template};
/// let pattern = Pattern::parse("b[1-2]-n[1-4]")?;
/// let block = Template::parse("block-{1}", &pattern)?;
/// let blocks: Vec<String> = pattern.names().map(|(_, parts)| block.fill(&parts)).collect();
/// assert_eq!(blocks[3..5], ["block-1", "block-2"]);
/// assert!(Template::parse("{3}", &pattern).is_err());
/// # Ok::<(), phalanx_topology::form::FormProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// One more than there are places.
    literals: Vec<String>,
    /// Brackets by position.
    places: Vec<usize>,
}

/// The longest text of a pattern, in bytes.
const MAX_LEN: usize = 1_024;

/// The most brackets in a pattern.
const MAX_BRACKETS: usize = 8;

const RANGE: &str = "a range that ascends, such as 01-64";

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// A bracket that is not closed or empty, a range that descends, more than 8 brackets, more than 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, FormProblem> {
        if text.len() > MAX_LEN {
            return Err(FormProblem::TooMany { what: "bytes", found: text.len() as u64, max: MAX_LEN as u64 });
        }
        let wrong = |expected| FormProblem::Expected { found: format!("{text:?}"), expected };
        if text.is_empty() {
            return Err(wrong("a name, or a pattern such as n[1-4]"));
        }
        let (mut literals, mut brackets, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once('[') {
            let Some((inside, behind)) = after.split_once(']').filter(|(inside, _)| !inside.contains('[')) else {
                return Err(wrong("a `]` for each `[`"));
            };
            if before.contains(']') || brackets.len() == MAX_BRACKETS {
                return Err(wrong("a `]` for each `[`, and 8 of them at most"));
            }
            literals.push(before.to_owned());
            brackets.push(inside.split(',').map(Item::parse).collect::<Result<_, _>>()?);
            rest = behind;
        }
        if rest.contains(']') {
            return Err(wrong("a `[` for each `]`"));
        }
        literals.push(rest.to_owned());
        Ok(Self { literals, brackets })
    }

    /// How many names it stands for; `u64::MAX` if they are more than that. O(items).
    #[must_use]
    pub fn len(&self) -> u64 {
        self.brackets.iter().map(|items| count(items)).fold(1, u64::saturating_mul)
    }

    /// Whether it stands for no name: it never does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names, each with what its brackets stand for. Ask [`len`](Self::len) first.
    pub fn names(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        (0..self.len()).map(|mut at| {
            let mut parts = vec![String::new(); self.brackets.len()];
            for (part, items) in parts.iter_mut().zip(&self.brackets).rev() {
                let of = count(items);
                *part = item(items, at % of);
                at /= of;
            }
            let mut name = self.literals[0].clone();
            for (part, literal) in parts.iter().zip(&self.literals[1..]) {
                name.push_str(part);
                name.push_str(literal);
            }
            (name, parts)
        })
    }
}

impl Template {
    /// Reads a template for the brackets of a pattern, which count from 1.
    ///
    /// # Errors
    ///
    /// A brace that is not closed, or a number that is no bracket's.
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, FormProblem> {
        let wrong = |expected| FormProblem::Expected { found: format!("{text:?}"), expected };
        if text.len() > MAX_LEN {
            return Err(FormProblem::TooMany { what: "bytes", found: text.len() as u64, max: MAX_LEN as u64 });
        }
        let (mut literals, mut places, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (number, behind) = after.split_once('}').ok_or_else(|| wrong("a `}` for each `{`"))?;
            let number = number.parse().ok().filter(|number| (1..=pattern.brackets.len()).contains(number));
            places.push(number.ok_or_else(|| wrong("{1} for the first bracket of the names, {2} for the second"))? - 1);
            literals.push(before.to_owned());
            rest = behind;
        }
        literals.push(rest.to_owned());
        if literals.iter().any(|literal| literal.contains('}')) {
            return Err(wrong("a `{` for each `}`"));
        }
        Ok(Self { literals, places })
    }

    /// The text for one name. The parts are those that [`Pattern::names`] gave with it; one that is missing is empty.
    #[must_use]
    pub fn fill(&self, parts: &[String]) -> String {
        let mut text = self.literals[0].clone();
        for (&place, literal) in self.places.iter().zip(&self.literals[1..]) {
            text.push_str(parts.get(place).map_or("", String::as_str));
            text.push_str(literal);
        }
        text
    }
}

impl Item {
    fn parse(text: &str) -> Result<Self, FormProblem> {
        let wrong = |expected| FormProblem::Expected { found: format!("{text:?}"), expected };
        if text.is_empty() {
            return Err(wrong("a number, a range or a word in each place between brackets"));
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some((first, last)) = text.split_once('-').filter(|(first, last)| digits(first) && digits(last)) else {
            return Ok(Self::Word(text.to_owned()));
        };
        let width = first.len();
        let (first, last): (Option<u64>, Option<u64>) = (first.parse().ok(), last.parse().ok());
        let range = first.zip(last).filter(|(first, last)| first <= last);
        let (first, last) = range.ok_or_else(|| wrong(RANGE))?;
        Ok(Self::Range { first, count: (last - first).saturating_add(1), width })
    }

    fn count(&self) -> u64 {
        match self {
            Self::Word(_) => 1,
            Self::Range { count, .. } => *count,
        }
    }
}

fn count(items: &[Item]) -> u64 {
    items.iter().map(Item::count).fold(0, u64::saturating_add)
}

/// The text at a position that the items together have.
fn item(items: &[Item], mut at: u64) -> String {
    for item in items {
        match item {
            Item::Word(word) if at == 0 => return word.clone(),
            Item::Range { first, count, width } if at < *count => return format!("{:0width$}", first + at),
            _ => at -= item.count(),
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let told = match Pattern::parse(text) {
            Ok(pattern) => pattern.names().map(|(name, _)| name).collect::<Vec<_>>().join(" "),
            Err(problem) => problem.to_string(),
        };
        assert!(told.contains(expected), "{text}: {told}");
    }

    #[test]
    fn brackets_hold_ranges_and_words() {
        check("n1", "n1");
        check("[8-11]", "8 9 10 11");
        check("n[08-11,2,x-y]z", "n08z n09z n10z n11z n2z nx-yz");
        check("a[0-1][x,y]", "a0x a0y a1x a1y");
    }

    #[test]
    fn mistakes_are_told() {
        check("", "a name, or a pattern");
        check("n[1-4", "a `]` for each `[`");
        check("n1-4]", "a `[` for each `]`");
        check("n[1-[2]]", "a `]` for each `[`");
        check("n[]", "a number, a range or a word");
        check("n[1,]", "a number, a range or a word");
        check("n[4-1]", "found \"4-1\", expected a range that ascends");
        check("n[0-99999999999999999999]", "a range that ascends");
        check(&"[1]".repeat(9), "8 of them at most");
        check(&"n".repeat(1_025), "found 1025 bytes, expected at most 1024");
    }

    #[test]
    fn a_pattern_of_very_many_is_only_counted() {
        let all = Pattern::parse("[0-18446744073709551615][0-9]").expect("a pattern");
        assert_eq!(all.len(), u64::MAX);
        assert_eq!(all.names().next().expect("many").0, "00");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]0-9,a{}-]{0,24}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert!(pattern.names().take(100).count() > 0);
                let _ = Template::parse(&text, &pattern).map(|template| template.fill(&[]));
            }
        }
    }
}
