//! One Rust source file: its text, and whatever a check reads in it.

use crate::error::Error;
use crate::tokens::Tokens;

/// A Rust source file of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its path from the workspace's root, with forward slashes.
    pub(crate) path: String,
    /// The package that it belongs to.
    pub(crate) package: String,
    /// Its text.
    pub(crate) text: String,
}

impl Source {
    /// A file of `package` at `path` with this text.
    pub(crate) fn new(package: &str, path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), package: package.to_owned(), text: text.to_owned() }
    }

    /// How many lines it has.
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The last part of its path.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether the whole file is tests or benches by its place: `tests.rs`, or anything under a `tests` or `benches`
    /// folder.
    pub(crate) fn is_test(&self) -> bool {
        self.file_name() == "tests.rs" || self.path.split('/').any(|part| part == "tests")
    }

    /// Whether it holds code that ships: under a `src` folder and no test by its place.
    pub(crate) fn is_library(&self) -> bool {
        self.path.contains("/src/") && !self.is_test()
    }

    /// The file as a syntax tree.
    ///
    /// # Errors
    /// [`Error::Rust`] when it does not parse.
    pub(crate) fn syntax(&self) -> Result<syn::File, Error> {
        syn::parse_file(&self.text).map_err(|error| Error::Rust {
            path: self.path.clone(),
            line: error.span().start().line,
            message: error.to_string(),
        })
    }

    /// The file as a flat list of tokens: comments and layout gone, strings kept whole, macros seen through.
    ///
    /// # Errors
    /// [`Error::Rust`] when its brackets do not match or a literal does not end.
    pub(crate) fn tokens(&self) -> Result<Tokens, Error> {
        self.text.parse().map(Tokens::flatten).map_err(|error: proc_macro2::LexError| Error::Rust {
            path: self.path.clone(),
            line: error.span().start().line,
            message: error.to_string(),
        })
    }
}
