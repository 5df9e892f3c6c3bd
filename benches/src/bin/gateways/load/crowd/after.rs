//! What a gateway counts as under way when nothing is.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::big::read_answer;

/// Sums over all endpoints and models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counters {
    /// Of /metrics: requests under way, by endpoint, by model, by server and in all.
    metrics: u64,
    /// Samples that are in it.
    samples: u64,
    /// Of the debug dump: what each endpoint has in flight, prompts that are computed, and their tokens.
    loads: u64,
    /// Endpoints in it.
    endpoints: u64,
    /// Of the debug dump: requests that are listed.
    listed: u64,
}

/// The names of what must be zero, in /metrics.
const UNDER_WAY: [&str; 4] = [
    "phalanx_gateway_endpoint_requests_in_flight",
    "kthena_router_active_requests",
    "kthena_router_active_downstream_requests",
    "kthena_router_active_upstream_requests",
];
/// Those of an endpoint in the debug dump.
const LOADS: [&str; 4] = ["in_flight", "prefilling", "pending_tokens", "prompt_tokens"];
/// The gateway hears of the last clients that left a moment later than they leave.
const PATIENCE: Duration = Duration::from_secs(3);

/// The counters when they are zero, or as they are after some time.
pub(super) fn zero(target: SocketAddr, debug: SocketAddr) -> io::Result<Counters> {
    let started = Instant::now();
    loop {
        let counters = ask(target, debug)?;
        if counters.metrics + counters.loads + counters.listed == 0 || started.elapsed() > PATIENCE {
            return Ok(counters);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn ask(target: SocketAddr, debug: SocketAddr) -> io::Result<Counters> {
    let mut counters = Counters::default();
    let page = get(target, "/metrics")?;
    for value in under_way(&String::from_utf8_lossy(&page)) {
        counters.samples += 1;
        counters.metrics += value;
    }
    let endpoints: Vec<Value> = serde_json::from_slice(&get(debug, "/debug/endpoints")?)?;
    counters.endpoints = endpoints.len() as u64;
    counters.loads = endpoints.iter().flat_map(|of| LOADS.map(|name| of[name].as_u64().unwrap_or(1))).sum();
    let requests: Vec<Value> = serde_json::from_slice(&get(debug, "/debug/requests")?)?;
    counters.listed = requests.len() as u64;
    Ok(counters)
}

/// The values of a page that must be zero.
fn under_way(page: &str) -> impl Iterator<Item = u64> {
    page.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.split('{').next()?;
        UNDER_WAY.contains(&name).then(|| value.parse().unwrap_or(1))
    })
}

fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    read_answer(&mut socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_found_in_a_page() {
        let page = "# HELP kthena_router_active_requests x\nkthena_router_active_requests 3\n\
                    phalanx_gateway_endpoint_requests_in_flight{endpoint=\"a b\"} 2\nother{a=\"b\"} 7\n\
                    kthena_router_active_upstream_requests{a=\"b\"} 0\n";
        assert_eq!(under_way(page).collect::<Vec<_>>(), [3, 2, 0]);
    }
}
