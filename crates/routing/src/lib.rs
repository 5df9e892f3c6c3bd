//! Which endpoint a request goes to: route match, policies over plain columns, and the router that owns the load
