//! What chat templates expect of Python beyond Jinja: `tojson`, `raise_exception`, `strftime_now`, and what is a space there.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// Adds them.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(method);
    environment.add_filter("trim", trim);
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        strftime(format, now)
    });
}

/// Whether Python takes it for a space.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

fn trim(text: Cow<'_, str>, characters: Option<Cow<'_, str>>) -> String {
    let is_gone = |character| characters.as_ref().map_or_else(|| is_space(character), |all| all.contains(character));
    text.trim_matches(is_gone).to_owned()
}

/// A method of a value that Jinja does not have.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, arguments) {
        (Some(text), "strip", []) => Ok(text.trim_matches(is_space).into()),
        (Some(text), "lstrip", []) => Ok(text.trim_start_matches(is_space).into()),
        (Some(text), "rstrip", []) => Ok(text.trim_end_matches(is_space).into()),
        (Some(text), "split", []) => Ok(text.split(is_space).filter(|word| !word.is_empty()).collect()),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
}

/// As `json.dumps` writes it, non-ASCII characters as they are unless asked otherwise.
fn tojson(state: &State<'_, '_>, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = match options.get::<Option<Value>>("indent")? {
        Some(value) if !value.is_none() => Some(value.try_into()?),
        _ => None,
    };
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.as_str(), key.as_str()),
        _ => (if indent.is_some() { "," } else { ", " }, ": "),
    };
    let is_ascii: Option<bool> = options.get("ensure_ascii")?;
    let is_sorted: Option<bool> = options.get("sort_keys")?;
    let (is_ascii, is_sorted) = (is_ascii == Some(true), is_sorted == Some(true));
    options.assert_all_used()?;
    let mut dump = Dump { out: String::new(), item, key, indent, is_ascii, is_sorted, depth: 0 };
    dump.value(value)?;
    state.consume_fuel(dump.out.len() as u64 / 8)?;
    Ok(dump.out.into())
}

/// JSON under way.
struct Dump<'a> {
    out: String,
    item: &'a str,
    key: &'a str,
    indent: Option<usize>,
    is_ascii: bool,
    is_sorted: bool,
    depth: usize,
}

impl Dump<'_> {
    /// Values deeper than that are none that came as JSON.
    const DEEPEST: usize = 256;

    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => _ = write!(self.out, "{value}"),
            ValueKind::Number => self.out.push_str(&float(f64::try_from(value.clone())?)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.open('[')?;
                let mut any = false;
                for item in value.try_iter()? {
                    self.next(&mut any);
                    self.value(&item)?;
                }
                self.close(']', any);
            }
            ValueKind::Map => {
                self.open('{')?;
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.is_sorted {
                    keys.sort();
                }
                let mut any = false;
                for key in keys {
                    self.next(&mut any);
                    self.string(&key.to_string());
                    self.out.push_str(self.key);
                    self.value(&value.get_item(&key)?)?;
                }
                self.close('}', any);
            }
            kind => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is no JSON"))),
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        if !self.is_ascii || quoted.is_ascii() {
            return self.out.push_str(&quoted);
        }
        for character in quoted.chars() {
            match character {
                '\0'..='\x7f' => self.out.push(character),
                _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(self.out, "\\u{unit:04x}")),
            }
        }
    }

    fn open(&mut self, bracket: char) -> Result<(), Error> {
        if self.depth == Self::DEEPEST {
            return Err(Error::new(ErrorKind::InvalidOperation, "too deep for JSON"));
        }
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    fn next(&mut self, any: &mut bool) {
        if std::mem::replace(any, true) {
            self.out.push_str(self.item);
        }
        self.line();
    }

    fn close(&mut self, bracket: char, any: bool) {
        self.depth -= 1;
        if any {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent * self.depth));
        }
    }
}

/// The shortest digits that mean this number, as Python writes them.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').expect("it was asked for");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..16).contains(&exponent) { format!("{number:?}") } else { format!("{digits}e{exponent:+03}") }
}

/// A time in seconds since 1970 by the format's letters, in UTC: an engine's container has no other zone. Letters that
/// are not known stay.
fn strftime(format: &str, seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let days = seconds / 86_400;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = date(days);
    let (weekday, name) = (DAYS[(days % 7) as usize], MONTHS[(month - 1) as usize]);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let letter = letters.next();
        let _ = match letter {
            Some('Y') => write!(out, "{year:04}"),
            Some('y') => write!(out, "{:02}", year % 100),
            Some('m') => write!(out, "{month:02}"),
            Some('d') => write!(out, "{day:02}"),
            Some('H') => write!(out, "{hour:02}"),
            Some('I') => write!(out, "{:02}", (hour + 11) % 12 + 1),
            Some('M') => write!(out, "{minute:02}"),
            Some('S') => write!(out, "{second:02}"),
            Some('p') => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
            Some('B') => write!(out, "{name}"),
            Some('b' | 'h') => write!(out, "{}", &name[..3]),
            Some('A') => write!(out, "{weekday}"),
            Some('a') => write!(out, "{}", &weekday[..3]),
            Some('F') => write!(out, "{year:04}-{month:02}-{day:02}"),
            Some('T') => write!(out, "{hour:02}:{minute:02}:{second:02}"),
            Some('Z') => write!(out, "UTC"),
            Some('z') => write!(out, "+0000"),
            Some('%') => write!(out, "%"),
            Some(other) => write!(out, "%{other}"),
            None => write!(out, "%"),
        };
    }
    out
}

/// The year, month and day of a day since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, json: &str) -> Result<String, Error> {
        let mut environment = Environment::new();
        add_to(&mut environment);
        let value: Value = serde_json::from_str(json).expect("JSON");
        environment.render_str(template, Value::from_pairs([("x", value)]))
    }

    #[test]
    fn json_is_as_python_writes_it() {
        let json =
            r#"{"b":[1,2.5,-3,1.0],"a":{"é":"<q>\"\n\u0001'"},"e":[],"n":null,"t":true,"big":1e100,"small":0.00001}"#;
        let expected = r#"{"b": [1, 2.5, -3, 1.0], "a": {"é": "<q>\"\n\u0001'"}, "e": [], "n": null, "t": true, "big": 1e+100, "small": 1e-05}"#;
        assert_eq!(render("{{ x|tojson }}", json).expect("JSON"), expected);
        let expected = "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    {}\n  ]\n}";
        assert_eq!(render("{{ x|tojson(indent=2) }}", r#"{"a":1,"b":[1,{}]}"#).expect("JSON"), expected);
        let template = "{{ x|tojson(separators=(',',':'), sort_keys=true, ensure_ascii=true) }}";
        assert_eq!(render(template, r#"{"b":"é😀","a":1}"#).expect("JSON"), r#"{"a":1,"b":"\u00e9\ud83d\ude00"}"#);
        assert!(render("{{ y|tojson }}", "1").is_err(), "what is not there is no JSON");
    }

    #[test]
    fn spaces_are_those_of_python() {
        let json = r#""\u001f \u0085a\u001cb\u00a0c \u001d\n""#;
        assert_eq!(render("[{{ x|trim }}]", json).expect("text"), "[a\u{1c}b\u{a0}c]");
        assert_eq!(render("[{{ x.strip() }}]", json).expect("text"), "[a\u{1c}b\u{a0}c]");
        assert_eq!(render("[{{ x.lstrip() }}]", json).expect("text"), "[a\u{1c}b\u{a0}c \u{1d}\n]");
        assert_eq!(render("[{{ x.rstrip() }}]", json).expect("text"), "[\u{1f} \u{85}a\u{1c}b\u{a0}c]");
        assert_eq!(render("{{ x.split()|join('-') }}", json).expect("text"), "a-b-c");
        assert_eq!(render("{{ x.strip('x')|trim('x') }}{{ 7|trim }}", r#""xax""#).expect("text"), "a7");
    }

    #[test]
    fn a_template_may_refuse() {
        let error = render("{{ raise_exception('roles must alternate') }}", "1").expect_err("it is raised");
        assert!(error.to_string().contains("roles must alternate"));
    }

    #[test]
    fn dates_are_utc() {
        // 2024-02-29 13:05:09, a Thursday.
        let leap = 1_709_211_909;
        assert_eq!(strftime("%d %b %Y", leap), "29 Feb 2024");
        assert_eq!(
            strftime("%A, %B %d, %y %I:%M:%S %p %F %T %% %q %", leap),
            "Thursday, February 29, 24 01:05:09 PM 2024-02-29 13:05:09 % %q %"
        );
        assert_eq!(strftime("%F", 0), "1970-01-01");
        assert_eq!(strftime("%F %a", 951_782_400), "2000-02-29 Tue");
        assert_eq!(strftime("%F", 4_102_444_800), "2100-01-01");
        assert!(render("{{ strftime_now('%Y') }}", "1").expect("a year").starts_with('2'));
    }
}
