use super::*;

/// The lines of the first file where something is found.
fn lines(texts: &[&str]) -> Vec<usize> {
    let sources: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| Source::new("phalanx-gang", &format!("src/{n}.rs"), text)).collect();
    let sources: Vec<_> = sources.iter().collect();
    let foreign = BTreeSet::from(["ahash", "serde", "serde_json", "smallvec", "thiserror"]);
    let found = judge(&sources, &foreign).expect("the fixtures parse");
    found.iter().filter(|violation| violation.place == "src/0.rs").filter_map(|violation| violation.line).collect()
}

#[test]
fn arguments_results_fields_and_variants_are_read() {
    let text = "pub fn a(x: serde_json::Value) {}\npub fn b() -> Option<smallvec::SmallVec<[u8; 4]>> { None }\n\
                pub struct C { pub d: ahash::AHasher, e: ahash::AHasher }\npub enum F {\n    G(serde_json::Error),\n}\n\
                pub type H = smallvec::SmallVec<[u8; 4]>;\npub use ahash::RandomState;\n";
    assert_eq!(lines(&[text]), [1, 2, 3, 5, 7, 8]);
}

#[test]
fn imports_renames_and_aliases_are_followed() {
    let text = "use serde_json::{self as json, Value as V, map::{self, Map}};\ntype Short = smallvec::SmallVec<[u8; 4]>;\n\
                type Shorter = Short;\npub struct A;\nimpl A {\n    pub fn b(v: V) {}\n    pub fn c() -> json::Value { loop {} }\n    \
                pub fn d(m: &Map<String, u8>) {}\n    pub fn e() -> Shorter { loop {} }\n    fn f(v: V) {}\n    \
                pub fn g(m: crate::inner::Table) {}\n}\n";
    let inner = "use ahash::RandomState;\npub(crate) type Table = Vec<RandomState>;\n";
    assert_eq!(lines(&[text, inner]), [6, 7, 8, 9, 11]);
}

#[test]
fn traits_and_conversions_of_public_types_are_read_but_serdes_are_free() {
    let text = "pub struct A;\nstruct B;\nimpl From<serde_json::Error> for A { }\nimpl From<serde_json::Error> for B { }\n\
                impl serde::Serialize for A { }\nimpl TryFrom<u8> for A {\n    type Error = serde_json::Error;\n}\n\
                pub trait C: smallvec::Array {\n    fn d(&self) -> ahash::AHasher;\n}\n";
    assert_eq!(lines(&[text]), [3, 7, 9, 10]);
}

#[test]
fn what_stays_inside_is_free() {
    let text = "use smallvec::SmallVec;\n#[derive(Debug, thiserror::Error, serde::Serialize)]\npub struct A {\n    \
                items: SmallVec<[u8; 4]>,\n}\npub(crate) fn b() -> SmallVec<[u8; 4]> { loop {} }\n\
                pub fn c() -> u8 { let x: SmallVec<[u8; 4]> = loop {}; }\n#[cfg(test)]\nmod tests {\n    \
                pub fn d() -> super::SmallVec<[u8; 4]> { loop {} }\n}\n";
    assert_eq!(lines(&[text]), [0_usize; 0]);
}
