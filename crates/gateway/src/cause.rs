//! Why a request did not end well, as metrics and logs name it.

use http::StatusCode;

/// What went wrong with a request. Each has one status and one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The client's bytes are no request.
    Malformed,
    /// The client's body did not come in time.
    SlowBody,
    /// The client's body is too large.
    TooLarge,
    /// The model has no route.
    NoRoute,
    /// Neither path nor host is known.
    NoPath,
    /// The path takes another method.
    WrongMethod,
    /// The route leads to a provider outside.
    External,
    /// There is no endpoint to ask.
    NoEndpoint,
    /// The gateway is about to stop, or full.
    Busy,
    /// The endpoint refused the connection, or broke it before the response head.
    Broken,
    /// The endpoint was too slow until the response head.
    Slow,
    /// The answer broke off.
    Cut,
    /// The answer stalled or took too long.
    Stalled,
    /// The client went away.
    ClientGone,
}

impl Cause {
    pub(crate) const ALL: [Self; 14] = [
        Self::Malformed,
        Self::SlowBody,
        Self::TooLarge,
        Self::NoRoute,
        Self::NoPath,
        Self::WrongMethod,
        Self::External,
        Self::NoEndpoint,
        Self::Busy,
        Self::Broken,
        Self::Slow,
        Self::Cut,
        Self::Stalled,
        Self::ClientGone,
    ];

    /// The status that the client gets, or would have got had its answer not begun.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoute | Self::NoPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::External => StatusCode::NOT_IMPLEMENTED,
            Self::NoEndpoint | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken | Self::Cut => StatusCode::BAD_GATEWAY,
            Self::Slow | Self::Stalled => StatusCode::GATEWAY_TIMEOUT,
            // Nobody reads it: the number that nginx gives it.
            Self::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    /// The value of the label `error_type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed | Self::SlowBody | Self::TooLarge => "request_parsing",
            Self::NoRoute => "model_route_matching",
            Self::NoPath => "route_not_found",
            Self::WrongMethod => "request_protocol",
            Self::External => "provider_discovery",
            Self::NoEndpoint => "scheduling",
            Self::Busy => "overload",
            Self::Broken => "upstream_transport",
            Self::Slow | Self::Stalled => "upstream_timeout",
            Self::Cut => "upstream_response",
            Self::ClientGone => "client_gone",
        }
    }

    /// OpenAI's word for it.
    pub(crate) fn kind(self) -> &'static str {
        match self.status() {
            StatusCode::NOT_FOUND => "not_found_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_own_place() {
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place);
            assert!(cause.status().as_u16() >= 400);
        }
    }
}
