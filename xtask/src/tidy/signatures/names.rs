//! Which names in a file stand for something of a dependency.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

/// The names of one file that lead into a dependency, and which one.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// A name in scope and the dependency that it comes from; a dependency's own name stands for itself.
    roots: BTreeMap<String, String>,
}

impl Names {
    /// Reads the imports of a file.
    pub(super) fn of(file: &syn::File, foreign: &BTreeSet<&str>, aliases: &BTreeMap<String, String>) -> Self {
        let mut roots: BTreeMap<_, _> = foreign.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
        roots.extend(aliases.iter().map(|(name, root)| (name.clone(), root.clone())));
        let mut imports = Imports { foreign, found: &mut roots };
        imports.visit_file(file);
        Self { roots }
    }

    /// The dependency that a path leads into, if it does.
    pub(super) fn root_of(&self, path: &syn::Path) -> Option<&str> {
        let first = path.segments.first()?.ident.to_string();
        // An alias of another file of the crate is reached by a path of our own: its last part names it.
        let ours = matches!(first.as_str(), "crate" | "self" | "super");
        let name = if ours { path.segments.last()?.ident.to_string() } else { first };
        self.roots.get(&name).map(String::as_str)
    }

    /// Whether this name leads into a dependency.
    pub(super) fn is_foreign(&self, name: &str) -> bool {
        self.roots.contains_key(name)
    }
}

/// The type aliases of a crate whose right side names something of a dependency, by name.
pub(super) fn aliases(files: &[syn::File], foreign: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut aliases = BTreeMap::new();
    // An alias may name an alias: look again until nothing is new.
    loop {
        let before = aliases.len();
        for file in files {
            let names = Names::of(file, foreign, &aliases);
            let mut finder = Aliases { names: &names, found: &mut aliases };
            finder.visit_file(file);
        }
        if aliases.len() == before {
            return aliases;
        }
    }
}

/// The names of all types that a crate declares `pub`.
pub(super) fn public_types(files: &[syn::File]) -> BTreeSet<String> {
    let mut public = PublicTypes::default();
    files.iter().for_each(|file| public.visit_file(file));
    public.0
}

/// The first names of a `use` tree, and their lines: `use a::{b, c}` gives `a`, `use {a, b}` gives both.
pub(super) fn roots(tree: &syn::UseTree) -> Vec<(String, usize)> {
    let entry = |ident: &syn::Ident| vec![(ident.to_string(), ident.span().start().line)];
    match tree {
        syn::UseTree::Path(path) => entry(&path.ident),
        syn::UseTree::Name(name) => entry(&name.ident),
        syn::UseTree::Rename(rename) => entry(&rename.ident),
        syn::UseTree::Group(group) => group.items.iter().flat_map(roots).collect(),
        syn::UseTree::Glob(_) => Vec::new(),
    }
}

/// Collects the names that `use` brings in from a dependency.
struct Imports<'a> {
    foreign: &'a BTreeSet<&'a str>,
    found: &'a mut BTreeMap<String, String>,
}

impl Imports<'_> {
    /// Notes every leaf under `tree`, which hangs below `root`.
    fn leaves(&mut self, tree: &syn::UseTree, root: &str, parent: &str) {
        let mut bind = |name: &syn::Ident| {
            let name = if name == "self" { parent.to_owned() } else { name.to_string() };
            self.found.insert(name, root.to_owned());
        };
        match tree {
            syn::UseTree::Path(path) => self.leaves(&path.tree, root, &path.ident.to_string()),
            syn::UseTree::Name(name) => bind(&name.ident),
            syn::UseTree::Rename(rename) => bind(&rename.rename),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.leaves(item, root, parent)),
            _ => {}
        }
    }

    fn top(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                let root = path.ident.to_string();
                if self.foreign.contains(root.as_str()) {
                    self.leaves(&path.tree, &root, &root);
                }
            }
            syn::UseTree::Rename(rename) => {
                let root = rename.ident.to_string();
                if self.foreign.contains(root.as_str()) {
                    self.found.insert(rename.rename.to_string(), root);
                }
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.top(item)),
            _ => {}
        }
    }
}

impl Visit<'_> for Imports<'_> {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.top(&item.tree);
    }
}

/// Collects type aliases that lead into a dependency.
struct Aliases<'a> {
    names: &'a Names,
    found: &'a mut BTreeMap<String, String>,
}

impl Visit<'_> for Aliases<'_> {
    fn visit_item_type(&mut self, item: &syn::ItemType) {
        let mut root = RootIn { names: self.names, found: None };
        root.visit_type(&item.ty);
        if let Some(root) = root.found {
            self.found.insert(item.ident.to_string(), root);
        }
    }
}

/// Finds the first dependency that a type names.
struct RootIn<'a> {
    names: &'a Names,
    found: Option<String>,
}

impl Visit<'_> for RootIn<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        if self.found.is_none() {
            self.found = self.names.root_of(path).map(str::to_owned);
        }
        syn::visit::visit_path(self, path);
    }
}

/// Collects the types that are declared `pub`.
#[derive(Default)]
struct PublicTypes(BTreeSet<String>);

impl PublicTypes {
    fn note(&mut self, visibility: &syn::Visibility, name: &syn::Ident) {
        if super::is_public(visibility) {
            self.0.insert(name.to_string());
        }
    }
}

impl Visit<'_> for PublicTypes {
    fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
        self.note(&item.vis, &item.ident);
    }

    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        self.note(&item.vis, &item.ident);
    }

    fn visit_item_union(&mut self, item: &syn::ItemUnion) {
        self.note(&item.vis, &item.ident);
    }

    fn visit_item_type(&mut self, item: &syn::ItemType) {
        self.note(&item.vis, &item.ident);
    }
}
