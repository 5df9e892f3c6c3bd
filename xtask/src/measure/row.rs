//! One figure: what is wanted, what was seen, and the verdict.

use std::fmt;

use serde::Serialize;

/// One figure of a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    figure: String,
    unit: &'static str,
    want: Want,
    stretch: Option<Want>,
    seen: Seen,
    note: String,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Want {
    /// Nothing is promised: the figure is reported.
    Reported,
    /// It must hold: seen as 1.
    Yes,
    /// More than this.
    Above(f64),
    /// Less than this.
    Below(f64),
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

#[derive(Clone, Debug)]
enum Seen {
    Number(f64),
    Skipped(String),
}

impl Row {
    /// A figure of this name; nothing is promised and nothing was seen yet.
    pub(crate) fn new(figure: impl Into<String>) -> Self {
        let seen = Seen::Skipped("not measured".to_owned());
        Self { figure: figure.into(), unit: "", want: Want::Reported, stretch: None, seen, note: String::new() }
    }

    /// Says what is wanted.
    #[must_use]
    pub(crate) fn want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    /// Says what would be better still.
    #[must_use]
    pub(crate) fn stretch(mut self, stretch: Want) -> Self {
        self.stretch = Some(stretch);
        self
    }

    /// Says what the number counts.
    #[must_use]
    pub(crate) fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Says what was seen.
    #[must_use]
    pub(crate) fn saw(mut self, number: f64) -> Self {
        self.seen = Seen::Number(number);
        self
    }

    /// Says whether it held.
    #[must_use]
    pub(crate) fn held(self, held: bool) -> Self {
        self.saw(f64::from(u8::from(held)))
    }

    /// Adds words to what was seen.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Says why nothing was seen.
    #[must_use]
    pub(crate) fn skip(mut self, reason: impl Into<String>) -> Self {
        self.seen = Seen::Skipped(reason.into());
        self
    }

    /// Whether the target was missed; a skipped figure misses nothing.
    pub(crate) fn missed(&self) -> bool {
        matches!(self.seen, Seen::Number(number) if !self.want.is_met(number))
    }

    /// Whether nothing was seen.
    pub(crate) fn skipped(&self) -> bool {
        matches!(self.seen, Seen::Skipped(_))
    }

    /// Figure, target, stretch, seen, verdict.
    pub(crate) fn cells(&self) -> [String; 5] {
        let with_unit = |text: String| if self.unit.is_empty() { text } else { format!("{text} {}", self.unit) };
        let wanted = |want: Want| match want {
            Want::Reported => String::new(),
            Want::Yes => "yes".to_owned(),
            _ => with_unit(want.to_string()),
        };
        let mut seen = match &self.seen {
            Seen::Skipped(reason) => format!("SKIPPED: {reason}"),
            Seen::Number(number) if self.want == Want::Yes && !number.is_nan() => {
                if *number > 0.0 { "yes" } else { "no" }.to_owned()
            }
            Seen::Number(number) if number.is_nan() => "nothing".to_owned(),
            Seen::Number(number) => with_unit(plain(*number)),
        };
        if !self.note.is_empty() && !self.skipped() {
            seen = format!("{seen} ({})", self.note);
        }
        let verdict = match self.verdict() {
            "missed" => "MISSED",
            "met" => "ok",
            "stretched" => "ok, stretch too",
            _ => "",
        };
        [self.figure.clone(), wanted(self.want), self.stretch.map(wanted).unwrap_or_default(), seen, verdict.to_owned()]
    }

    fn verdict(&self) -> &'static str {
        let Seen::Number(number) = self.seen else { return "skipped" };
        match (self.want, self.stretch) {
            (want, _) if !want.is_met(number) => "missed",
            (_, Some(stretch)) if stretch.is_met(number) => "stretched",
            (Want::Reported, _) => "reported",
            _ => "met",
        }
    }
}

impl Want {
    fn is_met(self, number: f64) -> bool {
        match self {
            // What could not be seen although it should have been is not a number.
            Self::Reported => !number.is_nan(),
            Self::Yes => number > 0.0,
            Self::Above(bound) => number > bound,
            Self::Below(bound) => number < bound,
            Self::AtLeast(bound) => number >= bound,
            Self::AtMost(bound) => number <= bound,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => Ok(()),
            Self::Yes => f.write_str("yes"),
            Self::Above(bound) => write!(f, "> {}", plain(*bound)),
            Self::Below(bound) => write!(f, "< {}", plain(*bound)),
            Self::AtLeast(bound) => write!(f, ">= {}", plain(*bound)),
            Self::AtMost(bound) => write!(f, "<= {}", plain(*bound)),
        }
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let [_, target, stretch, _, _] = self.cells();
        let (seen, skipped) = match &self.seen {
            Seen::Number(number) => (Some(*number), None),
            Seen::Skipped(reason) => (None, Some(reason)),
        };
        let mut row = serializer.serialize_struct("Row", 8)?;
        row.serialize_field("figure", &self.figure)?;
        row.serialize_field("target", &target)?;
        row.serialize_field("stretch", &stretch)?;
        row.serialize_field("seen", &seen)?;
        row.serialize_field("unit", self.unit)?;
        row.serialize_field("note", &self.note)?;
        row.serialize_field("skipped", &skipped)?;
        row.serialize_field("verdict", self.verdict())?;
        row.end()
    }
}

/// A number with as many digits as help: whole when large, three digits after the point at most, four when tiny.
fn plain(number: f64) -> String {
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 1.0 {
        2
    } else {
        4
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_target_and_stretch() {
        let row = |seen| Row::new("x").want(Want::AtLeast(1.0)).stretch(Want::AtLeast(2.0)).saw(seen);
        assert_eq!([0.5, 1.0, 2.0].map(|seen| row(seen).verdict()), ["missed", "met", "stretched"]);
        assert_eq!(Row::new("x").saw(1.0).verdict(), "reported");
        assert!(!Row::new("x").want(Want::Yes).skip("absent").missed());
        assert!(Row::new("x").want(Want::Yes).held(false).missed());
    }

    #[test]
    fn not_a_number_meets_no_bound() {
        for want in
            [Want::Reported, Want::Yes, Want::Above(0.0), Want::Below(1.0), Want::AtLeast(0.0), Want::AtMost(1.0)]
        {
            assert!(Row::new("x").want(want).saw(f64::NAN).missed(), "{want}");
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.123_456, 1.5, 12.0, 123_456.7, 0.0].map(plain), ["0.1235", "1.5", "12", "123457", "0"]);
    }
}
