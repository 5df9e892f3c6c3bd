//! The README's tables are whole.

use phalanx_routing::Policy;

const README: &str = include_str!("../README.md");

#[test]
fn every_preset_is_in_the_readme() {
    let is_missing = |name: &&str| !README.contains(&format!("`{name}`"));
    assert_eq!(Policy::NAMES.into_iter().find(is_missing), None);
}

#[test]
fn every_property_has_a_row() {
    for property in 1..=27 {
        assert!(README.contains(&format!("\n| {property} | ")), "property {property} is missing");
    }
}
