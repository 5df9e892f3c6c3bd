//! OpenAI over HTTP, routed by phalanx-routing
