//! Nothing is left for later in the code.

use super::{Check, Violation};
use crate::error::Error;
use crate::source::Source;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check =
    Check { name: "unfinished", holds: "no placeholder macro and no note to self: what is there is finished", run };

/// Macros that stand where code should.
const MACROS: &[&str] = &["todo", "unimplemented"];

/// Notes to self, put together here so that this file does not hold them.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for source in &workspace.sources {
        found.extend(judge(source)?);
    }
    Ok(found)
}

fn judge(source: &Source) -> Result<Vec<Violation>, Error> {
    let tokens = source.tokens()?;
    let mut found = Vec::new();
    for name in MACROS {
        for line in tokens.find(&[name, "!"]) {
            found.push(Violation::at(&source.path, line, format!("{name}!() stands where code should")));
        }
    }
    for (index, line) in source.text.lines().enumerate() {
        let words = || line.split(|c: char| !c.is_alphanumeric());
        if let Some(note) = NOTES.iter().find(|note| words().any(|word| word == **note)) {
            found.push(Violation::at(&source.path, index + 1, format!("{note}: file an issue, or do it now")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_and_a_note_are_found() {
        let (name, note) = (MACROS[0], NOTES[0]);
        let text = format!("fn f() {{\n    {name}!()\n}}\n// {note}: later\nfn {name}() {{}}\n");
        let found = judge(&Source::new("phalanx-gang", "a.rs", &text)).expect("the fixture parses");
        let lines: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [Some(2), Some(4)]);
    }
}
