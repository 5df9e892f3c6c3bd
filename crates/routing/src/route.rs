//! Which server a request goes to: the routes of models, and of HTTP requests as Gateway API has them.

mod age;
mod condition;
mod error;
mod head;
mod host;
mod http;
mod listener;
mod model;
mod pattern;
mod table;
mod target;
mod text;

pub use condition::Condition;
pub use error::{RouteError, RouteTableError};
pub use head::{Headers, RequestHead};
pub use host::HostError;
pub use http::{
    Backend, HttpMatch, HttpRoute, HttpRouteMatch, HttpRouteTable, HttpRouteTableError, HttpRule, NoHttpRoute,
    PathMatch, PathRewrite, UrlRewrite, ValueMatch,
};
pub use listener::{GatewayListener, Listener, Listeners, ParentRef};
pub use model::{ModelRoute, Rule};
pub use pattern::PatternError;
pub use table::{RouteMatch, RouteRequest, RouteTable};
pub use target::Target;
pub use text::StringMatch;

/// What stands before the `/` of an object's name; `default` without one.
fn namespace_of(name: &str) -> &str {
    name.split_once('/').map_or("default", |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests;
