//! Text that a condition asks for.

use super::pattern::{Pattern, PatternError};

/// What a text has to be.
///
/// ```
/// use phalanx_routing::StringMatch;
///
/// let beta = StringMatch::regex("^beta-[0-9]+$")?;
/// assert!(beta.is_met("beta-7") && !beta.is_met("alpha-7"));
/// # Ok::<(), phalanx_routing::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringMatch(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Exact(String),
    Prefix(String),
    Regex(Pattern),
}

impl StringMatch {
    /// Met by every text, the empty one included.
    ///
    /// ```
    /// assert!(phalanx_routing::StringMatch::any().is_met(""));
    /// ```
    #[must_use]
    pub fn any() -> Self {
        Self(Kind::Any)
    }

    /// Met by this text only, byte for byte.
    ///
    /// ```
    /// let premium = phalanx_routing::StringMatch::exact("premium");
    /// assert!(premium.is_met("premium") && !premium.is_met("Premium"));
    /// ```
    #[must_use]
    pub fn exact(text: impl Into<String>) -> Self {
        Self(Kind::Exact(text.into()))
    }

    /// Met by every text that begins with this one.
    ///
    /// ```
    /// let chat = phalanx_routing::StringMatch::prefix("/v1/chat");
    /// assert!(chat.is_met("/v1/chat/completions") && !chat.is_met("/v1/completions"));
    /// ```
    #[must_use]
    pub fn prefix(text: impl Into<String>) -> Self {
        Self(Kind::Prefix(text.into()))
    }

    /// Met by every text in which the expression is found, anywhere: anchor it with `^` and `$`. Classes are of ASCII, as
    /// in RE2; there is no back reference, and a search takes time in proportion to the text.
    ///
    /// # Errors
    ///
    /// When it is no regular expression, is longer than 4,096 bytes, or takes more than 64 KiB compiled.
    ///
    /// ```
    /// use phalanx_routing::StringMatch;
    ///
    /// assert!(StringMatch::regex("b+")?.is_met("abbc"));
    /// assert!(StringMatch::regex("(").is_err());
    /// # Ok::<(), phalanx_routing::PatternError>(())
    /// ```
    pub fn regex(pattern: &str) -> Result<Self, PatternError> {
        Pattern::compile(pattern).map(|pattern| Self(Kind::Regex(pattern)))
    }

    /// Whether `text` is what is asked for.
    ///
    /// ```
    /// assert!(phalanx_routing::StringMatch::exact("a").is_met("a"));
    /// ```
    #[must_use]
    pub fn is_met(&self, text: &str) -> bool {
        self.is_met_by(text.as_bytes())
    }

    /// The same of bytes. An expression is not found in what is no UTF-8.
    pub(crate) fn is_met_by(&self, bytes: &[u8]) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Exact(text) => bytes == text.as_bytes(),
            Kind::Prefix(text) => bytes.starts_with(text.as_bytes()),
            Kind::Regex(pattern) => pattern.is_in_bytes(bytes),
        }
    }
}
