//! No test waits for time to pass.

use syn::visit::Visit;

use super::{Check, Violation};
use crate::error::Error;
use crate::source::Source;
use crate::tokens::Tokens;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check =
    Check { name: "sleeps", holds: "no test sleeps: it drives time, or waits for the event itself", run };

/// Functions that wait for time to pass.
const WAITS: &[&str] = &["sleep", "sleep_until", "sleep_ms", "park_timeout"];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for source in &workspace.sources {
        found.extend(judge(source)?);
    }
    Ok(found)
}

fn judge(source: &Source) -> Result<Vec<Violation>, Error> {
    let tokens = source.tokens()?;
    let mut lines = calls(&tokens);
    if !lines.is_empty() && !source.is_test() {
        let mut ranges = TestRanges::default();
        ranges.visit_file(&source.syntax()?);
        lines.retain(|line| ranges.0.iter().any(|(first, last)| (first..=last).contains(&line)));
    }
    let what = "a test sleeps; drive time, or wait for the event itself";
    Ok(lines.into_iter().map(|line| Violation::at(&source.path, line, what)).collect())
}

/// The lines of calls to a function that waits.
fn calls(tokens: &Tokens) -> Vec<usize> {
    let pairs = tokens.as_slice().windows(2);
    let calls = pairs.filter(|pair| WAITS.contains(&pair[0].text.as_str()) && pair[1].text == "(");
    calls.map(|pair| pair[0].line).collect()
}

/// First and last lines of what only tests compile: items under `#[cfg(test)]`, and test functions.
#[derive(Debug, Default)]
struct TestRanges(Vec<(usize, usize)>);

impl TestRanges {
    fn note(&mut self, attributes: &[syn::Attribute], item: &impl syn::spanned::Spanned) {
        if attributes.iter().any(marks_a_test) {
            self.0.push((item.span().start().line, item.span().end().line));
        }
    }
}

impl Visit<'_> for TestRanges {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        self.note(&item.attrs, item);
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.note(&item.attrs, item);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        self.note(&item.attrs, item);
        syn::visit::visit_item_impl(self, item);
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
pub(crate) fn marks_a_test(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    if path.segments.last().is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    path.is_ident("cfg") && Tokens::flatten(list.tokens.clone()).as_slice().iter().any(|token| token.text == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "async fn pace() { sleep(STEP).await; }\n#[cfg(test)]\nmod tests {\n    #[tokio::test]\n    async fn waits() {\n        \
                        tokio::time::sleep(STEP).await;\n    }\n}\n";

    #[test]
    fn a_sleep_in_a_test_is_found_and_one_that_ships_is_not() {
        let source = Source::new("phalanx-emulator", "crates/emulator/src/driver.rs", TEXT);
        let found = judge(&source).expect("the fixture parses");
        assert_eq!(found, [Violation::at(&source.path, 6, "a test sleeps; drive time, or wait for the event itself")]);
    }

    #[test]
    fn a_file_of_tests_is_a_test_from_its_first_line() {
        let source = Source::new("phalanx-emulator", "crates/emulator/tests/serve.rs", TEXT);
        assert_eq!(judge(&source).expect("the fixture parses").len(), 2);
    }
}
