//! How many public items there are, and how many say what they are.
//!
//! Counted from the text of every file that ships: functions, methods, types, named fields, variants, traits and their
//! members, constants and modules that are `pub`, or public because their enum or trait is. Documented means a doc
//! comment (or a doc attribute) directly on the item. A `pub use` shows another item and counts nothing; a `pub` item
//! counts whether or not it is re-exported.

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::error::Error;
use crate::source::Source;

/// Public items, and those among them with documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Public items.
    pub(crate) items: u32,
    /// Public items with documentation.
    pub(crate) documented: u32,
    /// Where the others are, as `path:line`.
    pub(crate) bare: Vec<String>,
}

impl Count {
    /// Counts the public items of these files.
    ///
    /// # Errors
    /// When a file does not parse.
    pub(crate) fn of<'a>(sources: impl Iterator<Item = &'a Source>) -> Result<Self, Error> {
        let mut count = Self::default();
        for source in sources {
            let mut reader = Reader { path: &source.path, count: &mut count };
            reader.visit_file(&source.syntax()?);
        }
        Ok(count)
    }

    /// The documented part of all; 1 when there is nothing to document.
    pub(crate) fn share(&self) -> f64 {
        if self.items == 0 { 1.0 } else { f64::from(self.documented) / f64::from(self.items) }
    }
}

/// Counts the public items of one file.
struct Reader<'a> {
    path: &'a str,
    count: &'a mut Count,
}

impl Reader<'_> {
    fn note(&mut self, visibility: &syn::Visibility, attributes: &[syn::Attribute], item: &impl Spanned) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.count(attributes, item);
        }
    }

    fn count(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) {
        self.count.items += 1;
        if attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            self.count.documented += 1;
        } else {
            self.count.bare.push(format!("{}:{}", self.path, item.span().start().line));
        }
    }

    fn named(&mut self, fields: &syn::Fields) {
        for field in fields.iter().filter(|field| field.ident.is_some()) {
            self.count(&field.attrs, field);
        }
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if item.attrs.iter().any(crate::tidy::marks_a_test) {
            return;
        }
        // A module in a file of its own has its documentation there, at the head, where a tidy check asks for it.
        if item.content.is_some() {
            self.note(&item.vis, &item.attrs, item);
        }
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.note(&item.vis, &item.attrs, item);
    }

    fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
        self.note(&item.vis, &item.attrs, item);
        for field in item.fields.iter().filter(|field| field.ident.is_some()) {
            self.note(&field.vis, &field.attrs, field);
        }
    }

    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        if !matches!(item.vis, syn::Visibility::Public(_)) {
            return;
        }
        self.count(&item.attrs, item);
        for variant in &item.variants {
            self.count(&variant.attrs, variant);
            self.named(&variant.fields);
        }
    }

    fn visit_item_trait(&mut self, item: &syn::ItemTrait) {
        if !matches!(item.vis, syn::Visibility::Public(_)) {
            return;
        }
        self.count(&item.attrs, item);
        for member in &item.items {
            match member {
                syn::TraitItem::Fn(member) => self.count(&member.attrs, member),
                syn::TraitItem::Const(member) => self.count(&member.attrs, member),
                syn::TraitItem::Type(member) => self.count(&member.attrs, member),
                _ => {}
            }
        }
    }

    fn visit_item_type(&mut self, item: &syn::ItemType) {
        self.note(&item.vis, &item.attrs, item);
    }

    fn visit_item_const(&mut self, item: &syn::ItemConst) {
        self.note(&item.vis, &item.attrs, item);
    }

    fn visit_item_static(&mut self, item: &syn::ItemStatic) {
        self.note(&item.vis, &item.attrs, item);
    }

    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        if item.trait_.is_some() || item.attrs.iter().any(crate::tidy::marks_a_test) {
            return;
        }
        for member in &item.items {
            match member {
                syn::ImplItem::Fn(member) => self.note(&member.vis, &member.attrs, member),
                syn::ImplItem::Const(member) => self.note(&member.vis, &member.attrs, member),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_items_are_counted_and_private_ones_are_not() {
        let text = "/// A.\npub struct A { /// B.\n pub b: u8, c: u8 }\npub enum D { /// E.\n E, F { g: u8 } }\nenum H { I }\n\
                    pub struct N(pub u8); impl A { /// J.\n pub fn j() {} pub fn k() {} fn l() {} }\nimpl Clone for A { fn clone(&self) -> A { A } }\n\
                    #[cfg(test)] mod tests { pub fn m() {} }\npub use std::fmt;\n";
        let source = Source::new("phalanx-gang", "crates/gang/src/lib.rs", text);
        let count = Count::of([&source].into_iter()).expect("the fixture parses");
        // Documented: A, b, E, j. Not: D, F, g, N, k.
        assert_eq!((count.items, count.documented), (9, 4));
        assert_eq!(count.bare, [4, 5, 5, 7, 8].map(|line| format!("crates/gang/src/lib.rs:{line}")));
    }
}
