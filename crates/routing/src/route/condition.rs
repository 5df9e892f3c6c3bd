//! Which requests a rule takes.

use super::head::RequestHead;
use super::text::StringMatch;

/// What has to hold for a rule to take a request: everything at once. Without conditions it always holds.
///
/// ```
/// use phalanx_routing::{Condition, RequestHead, StringMatch};
///
/// let premium = Condition::new()
///     .with_header("user-type", StringMatch::exact("premium"))
///     .with_path(StringMatch::prefix("/v1/chat"));
/// let headers = [("User-Type", "premium")];
/// let head = RequestHead { path: "/v1/chat/completions", headers: &headers, ..RequestHead::default() };
/// assert!(premium.holds("llama-70b", &head));
/// assert!(!premium.holds("llama-70b", &RequestHead { path: "/v1/completions", ..head }));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    headers: Vec<(String, StringMatch)>,
    path: Option<StringMatch>,
    model: Option<String>,
}

impl Condition {
    /// One that always holds.
    ///
    /// ```
    /// use phalanx_routing::{Condition, RequestHead};
    ///
    /// assert!(Condition::new().holds("m", &RequestHead::default()));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first header of this name, in any case of letters, is what `value` asks for. A header that is not there counts as
    /// an empty one.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: StringMatch) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    /// The path, without the query, is what `path` asks for. The last call counts.
    #[must_use]
    pub fn with_path(mut self, path: StringMatch) -> Self {
        self.path = Some(path);
        self
    }

    /// The model named in the body is this one: of use where a route has several names. The last call counts.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Whether it holds for a request that names `model`. O(headers asked for × headers sent), without an allocation but
    /// for what an expression's first search on a thread needs.
    #[must_use]
    pub fn holds(&self, model: &str, head: &RequestHead<'_>) -> bool {
        self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self.path.as_ref().is_none_or(|path| path.is_met(head.path))
            && self.headers.iter().all(|(name, value)| value.is_met_by(head.headers.header(name).unwrap_or_default()))
    }

    /// Whether it holds for every request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.path.is_none() && self.model.is_none()
    }
}
