//! No type of a dependency in the public signatures of a pure crate.
//!
//! This reads the text, not the types: it follows `use`, renames, and aliases declared anywhere in the crate, and takes
//! every `pub` item for public, re-exported or not. It does not see what a macro writes, nor a type that is never
//! named. Serde's traits may be implemented, which is what its derives do.

mod names;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::Visit;

use self::names::Names;
use super::sleeps::marks_a_test;
use super::{Check, Violation};
use crate::error::Error;
use crate::source::Source;
use crate::workspace::Workspace;

pub(crate) const CHECK: Check = Check {
    name: "signatures",
    holds: "pure crates name no type of a dependency in a public signature; std, serde's traits and our crates aside",
    run,
};

/// Whose traits a pure crate may implement on its public types.
const IMPLEMENTED: &str = "serde";

fn run(workspace: &Workspace) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for package in workspace.pure() {
        let foreign = package.dependencies.iter().filter(|dependency| !dependency.internal && !dependency.for_tests);
        let foreign: BTreeSet<&str> = foreign.map(|dependency| dependency.known_as.as_str()).collect();
        let sources: Vec<&Source> = workspace.sources_of(&package.name).filter(|source| source.is_library()).collect();
        found.extend(judge(&sources, &foreign)?);
    }
    Ok(found)
}

/// Looks at all files of one crate, whose dependencies go by the names in `foreign`.
fn judge(sources: &[&Source], foreign: &BTreeSet<&str>) -> Result<Vec<Violation>, Error> {
    let files = sources.iter().map(|source| source.syntax()).collect::<Result<Vec<_>, _>>()?;
    let aliases = names::aliases(&files, foreign);
    let public = names::public_types(&files);
    let mut found = Vec::new();
    for (source, file) in sources.iter().zip(&files) {
        let names = Names::of(file, foreign, &aliases);
        let mut reader = Reader { path: &source.path, names: &names, public: &public, found: &mut found };
        reader.items(&file.items);
    }
    Ok(found)
}

/// Walks the public items of one file.
struct Reader<'a> {
    path: &'a str,
    names: &'a Names,
    public: &'a BTreeSet<String>,
    found: &'a mut Vec<Violation>,
}

impl Reader<'_> {
    fn items(&mut self, items: &[syn::Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &syn::Item) {
        match item {
            syn::Item::Mod(item) if !item.attrs.iter().any(marks_a_test) => {
                self.items(item.content.as_ref().map_or(&[], |(_, items)| items));
            }
            syn::Item::Fn(item) if is_public(&item.vis) => self.signature(&item.sig),
            syn::Item::Struct(item) if is_public(&item.vis) => {
                self.look(|look| look.visit_generics(&item.generics));
                self.fields(item.fields.iter().filter(|field| is_public(&field.vis)));
            }
            syn::Item::Enum(item) if is_public(&item.vis) => {
                self.look(|look| look.visit_generics(&item.generics));
                self.fields(item.variants.iter().flat_map(|variant| &variant.fields));
            }
            syn::Item::Trait(item) if is_public(&item.vis) => self.declared_trait(item),
            syn::Item::Type(item) if is_public(&item.vis) => self.look(|look| look.visit_type(&item.ty)),
            syn::Item::Const(item) if is_public(&item.vis) => self.look(|look| look.visit_type(&item.ty)),
            syn::Item::Static(item) if is_public(&item.vis) => self.look(|look| look.visit_type(&item.ty)),
            syn::Item::Use(item) if is_public(&item.vis) => {
                for (first, line) in names::roots(&item.tree) {
                    if self.names.is_foreign(&first) {
                        self.note(line, &first);
                    }
                }
            }
            syn::Item::Impl(item) => self.implementation(item),
            _ => {}
        }
    }

    fn declared_trait(&mut self, item: &syn::ItemTrait) {
        self.look(|look| {
            look.visit_generics(&item.generics);
            item.supertraits.iter().for_each(|bound| look.visit_type_param_bound(bound));
        });
        for member in &item.items {
            match member {
                syn::TraitItem::Fn(member) => self.signature(&member.sig),
                syn::TraitItem::Const(member) => self.look(|look| look.visit_type(&member.ty)),
                syn::TraitItem::Type(member) => {
                    self.look(|look| member.bounds.iter().for_each(|bound| look.visit_type_param_bound(bound)));
                }
                _ => {}
            }
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl) {
        let Some((path, _)) = &item.trait_ else {
            for member in &item.items {
                match member {
                    syn::ImplItem::Fn(member) if is_public(&member.vis) => self.signature(&member.sig),
                    syn::ImplItem::Const(member) if is_public(&member.vis) => {
                        self.look(|look| look.visit_type(&member.ty));
                    }
                    _ => {}
                }
            }
            return;
        };
        if self.names.root_of(path).is_some_and(|root| root == IMPLEMENTED) || !self.is_about_a_public_type(item) {
            return;
        }
        self.look(|look| {
            look.visit_path(path);
            look.visit_type(&item.self_ty);
        });
        for member in &item.items {
            if let syn::ImplItem::Type(member) = member {
                self.look(|look| look.visit_type(&member.ty));
            }
        }
    }

    /// Whether the type that a trait is implemented for is declared `pub` in this crate.
    fn is_about_a_public_type(&self, item: &syn::ItemImpl) -> bool {
        let syn::Type::Path(path) = &*item.self_ty else { return true };
        path.path.segments.last().is_some_and(|segment| self.public.contains(&segment.ident.to_string()))
    }

    fn signature(&mut self, signature: &syn::Signature) {
        self.look(|look| {
            look.visit_generics(&signature.generics);
            look.visit_return_type(&signature.output);
        });
        for input in &signature.inputs {
            if let syn::FnArg::Typed(input) = input {
                self.look(|look| look.visit_type(&input.ty));
            }
        }
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f syn::Field>) {
        for field in fields {
            self.look(|look| look.visit_type(&field.ty));
        }
    }

    /// Finds foreign paths in part of a signature.
    fn look(&mut self, visit: impl FnOnce(&mut Look<'_>)) {
        let mut look = Look { names: self.names, seen: Vec::new() };
        visit(&mut look);
        for (line, name) in look.seen {
            self.note(line, &name);
        }
    }

    fn note(&mut self, line: usize, name: &str) {
        let what = format!("`{name}` of a dependency is in a public signature; wrap it, or keep it inside");
        self.found.push(Violation::at(self.path, line, what));
    }
}

/// Collects the foreign paths in types and bounds.
struct Look<'a> {
    names: &'a Names,
    seen: Vec<(usize, String)>,
}

impl Visit<'_> for Look<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        if self.names.root_of(path).is_some() {
            let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.seen.push((path.span().start().line, parts.join("::")));
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}
