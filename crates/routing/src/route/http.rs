//! Routes of HTTP requests, as Gateway API's `HTTPRoute` has them.

mod backend;
mod matches;
mod query;
mod rewrite;
mod rule;
mod table;

pub use backend::Backend;
pub use matches::{HttpMatch, PathMatch, ValueMatch};
pub use rewrite::{PathRewrite, UrlRewrite};
pub use rule::{HttpRoute, HttpRule};
pub use table::{HttpRouteMatch, HttpRouteTable, HttpRouteTableError, NoHttpRoute};
