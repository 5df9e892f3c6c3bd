//! What a gateway tells of its inside: the debug pages, and the log of its decisions.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{DecisionLog, Endpoint, Gateway, GatewayConfig, HealthCheck, Pool, StartError};
use phalanx_routing::{Breaker, Log, ModelRoute, Policy, RouteTable};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::client::{CHAT, SOON, rest};
use super::health::says;
use super::support::{Engine, Script, events, json_ok, nobody, pool, response, send, settled, text};

async fn bind(address: &str) -> TcpListener {
    TcpListener::bind(address).await.expect("a free port")
}

fn config(policy: &str, endpoints: Pool) -> GatewayConfig {
    let routes = RouteTable::new([ModelRoute::to("m", "server")]).expect("one route");
    GatewayConfig::new(routes, Policy::preset(policy).expect("a policy")).with_pool("server", endpoints)
}

async fn page(address: SocketAddr, path: &str, host: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let answer = rest(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), serde_json::from_str(body).expect("JSON"))
}

fn body(about: usize) -> String {
    let prompt = format!("a prompt about {about}, told at some length. ").repeat(20);
    json!({ "model": "m", "prompt": prompt }).to_string()
}

async fn ask(gateway: &Gateway, about: usize) -> StatusCode {
    let answer = send(gateway, Method::POST, "/v1/completions", &body(about)).await;
    let status = answer.status();
    text(answer).await;
    status
}

#[tokio::test]
async fn only_this_machine_looks_inside() {
    let mut gateway = Gateway::start(config("phalanx", pool(&[])), bind("127.0.0.1:0").await).expect("sound");
    let open = gateway.debug(bind("0.0.0.0:0").await);
    assert!(matches!(open, Err(StartError::NotLoopback(_))), "{open:?}");
    let address = gateway.debug(bind("127.0.0.1:0").await).expect("loopback");
    let (head, whole) = page(address, "/debug", "localhost:1").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let parts: Vec<_> = whole.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(parts, ["config", "decisions", "endpoints", "gateway", "index", "pools", "requests"]);
    for part in parts {
        assert!(page(address, &format!("/debug/{part}"), "127.0.0.1").await.0.starts_with("HTTP/1.1 200 "), "{part}");
    }
    // A page of somebody else's that a browser here shows.
    assert!(page(address, "/debug", "evil.example.com").await.0.starts_with("HTTP/1.1 404 "));
    assert!(page(address, "/", "127.0.0.1").await.0.starts_with("HTTP/1.1 404 "));
    assert!(page(address, "/debug/decisions?explain=all", "127.0.0.1").await.0.starts_with("HTTP/1.1 400 "));
    // And not on the port that clients have.
    assert!(page(gateway.address(), "/debug", "127.0.0.1").await.0.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn the_inside_is_told_as_it_is() {
    let engine = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let down = nobody().await;
    let millis = Duration::from_millis;
    let check = HealthCheck::get("/health").and_then(|check| check.with_interval(millis(10), millis(10)));
    let check = check.and_then(|check| check.with_thresholds(1, 1)).expect("valid");
    let endpoints = Pool::of([Endpoint::new("up", engine.address), Endpoint::new("down", down)]);
    // The engine of the test answers a check with an event, which is well.
    let config = config("phalanx", endpoints.serving("real")).with_health_check(check);
    let mut gateway = Gateway::start(config, bind("127.0.0.1:0").await).expect("sound");
    let address = gateway.debug(bind("127.0.0.1:0").await).expect("loopback");
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"down\"} 0").await;
    page(address, "/debug/decisions?explain=1", "localhost").await;
    let mut answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","messages":[]}"#).await;
    assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));

    let whole = page(address, "/debug", "localhost").await.1;
    let of = |name: &str| {
        let endpoints = whole["endpoints"].as_array().expect("a list");
        endpoints.iter().find(|endpoint| endpoint["name"] == name).cloned().expect("it is there")
    };
    let (up, down) = (of("up"), of("down"));
    assert_eq!((&up["is_up"], &down["is_up"]), (&true.into(), &false.into()), "{whole:#}");
    assert_eq!((&up["in_flight"], &up["health"], &up["models"]), (&1.into(), &"in".into(), &json!(["real"])));
    assert_eq!((&up["signals"], &up["kv_events"]), (&Value::Null, &Value::Null));
    assert!(up["prompt_token_us"].as_f64().is_some_and(|pace| pace > 10.0), "{up}");
    assert_eq!((&whole["requests"][0]["endpoint"], &whole["requests"][1]), (&"up".into(), &Value::Null));
    assert!(whole["requests"][0]["first_token_after_ms"].is_number());
    let decision = &whole["decisions"][0];
    assert_eq!(
        (&decision["endpoint"], &decision["server"], &decision["part"]),
        (&"up".into(), &"server".into(), &"both".into())
    );
    assert_eq!(decision["explanation"]["candidates"][0]["endpoint"], "up", "{decision:#}");
    assert!(decision["explanation"]["candidates"][0]["parts"].as_array().is_some_and(|parts| !parts.is_empty()));
    let within = whole["pools"].as_array().and_then(|pools| pools.iter().find(|pool| pool["part"] == "both"));
    assert_eq!(within.map(|pool| &pool["endpoints"]), Some(&json!(["up"])));
    assert_eq!(whole["config"]["policy"]["name"], "phalanx");
    assert_eq!(whole["config"]["servers"]["server"]["served_as"], "real");
    assert_eq!(whole["gateway"]["requests"], 1);
    assert_eq!(whole["index"]["block_size"], 16);
    drop(answer);
    settled(&gateway).await;
    assert_eq!(page(address, "/debug/requests", "localhost").await.1, json!([]));
}

/// An output that a test reads.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn log(&self) -> Log {
        Log::read(&self.0.lock().expect("nobody panics")).expect("whole lines")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateways_decisions_are_made_again_without_a_difference() {
    let busy = Script::Answer(response("500 Internal Server Error", "application/json", "{}"));
    let engines = [
        Engine::start(json_ok("{}")).await.address,
        Engine::start(json_ok("{}")).await.address,
        Engine::start(Script::Close).await.address,
        Engine::start(busy).await.address,
    ];
    let kept = Kept::default();
    let breaker = Breaker::new().with_failures(2).expect("valid");
    let first = config("phalanx", pool(&engines)).with_breaker(Some(breaker));
    let gateway = Gateway::start(first.with_decision_log(DecisionLog::new(kept.clone())), bind("127.0.0.1:0").await);
    let gateway = Arc::new(gateway.expect("sound"));
    let drive = async |from: usize| {
        let asks = (0..8).map(|client| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move {
                for about in 0..12 {
                    ask(&gateway, from + (about + client) % 7).await;
                }
            })
        });
        for asking in asks.collect::<Vec<_>>() {
            asking.await.expect("it does not panic");
        }
    };
    drive(0).await;
    // Policies, breakers and endpoints come and go, and a client leaves.
    gateway.reload(config("kthena", pool(&engines[..3])).with_breaker(None)).expect("sound");
    drive(3).await;
    gateway.reload(config("least-request", pool(&engines[1..]))).expect("sound");
    drop(send(&gateway, Method::POST, "/v1/completions", &body(0)).await);
    drive(6).await;
    settled(&gateway).await;
    let handle = gateway.handle();
    Arc::into_inner(gateway).expect("one owner").shutdown().await;
    let decisions = handle.decision_times().count();
    let report = kept.log().replay().expect("lines go together");
    assert_eq!((report.decisions as u64, report.differences.len(), report.left_out), (decisions, 0, None));
    assert!(decisions >= 289, "{decisions}");
}

/// An output that waits, and one that fails.
#[derive(Debug)]
struct Slow(Mutex<Receiver<()>>, Kept);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Until the test lets it go on, from then on for good.
        let _ = self.0.lock().expect("nobody panics").recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks until decisions are counted as lost.
async fn until_lost(gateway: &Gateway) {
    let lost = async {
        loop {
            assert_eq!(ask(gateway, 1).await, StatusCode::OK);
            let page = super::client::get(gateway, "/metrics").await;
            let count = page.lines().find_map(|line| line.strip_prefix("phalanx_gateway_lost_decisions_total "));
            if count.is_some_and(|count| count != "0") {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, lost).await.expect("they are counted");
}

#[tokio::test]
async fn a_log_that_is_too_slow_says_so_and_holds_nobody_up() {
    let engine = Engine::start(json_ok("{}")).await;
    let (kept, (go, wait)): (Kept, (Sender<()>, _)) = (Kept::default(), channel());
    let log = DecisionLog::new(Slow(Mutex::new(wait), kept.clone())).with_limit(20_000);
    let config = config("phalanx", pool(&[engine.address])).with_decision_log(log);
    let gateway = Gateway::start(config, bind("127.0.0.1:0").await).expect("sound");
    until_lost(&gateway).await;
    drop(go);
    gateway.shutdown().await;
    let log = kept.log();
    assert!(log.left_out().is_some() && log.decisions() > 0);
    let report = log.replay().expect("lines go together");
    assert!(report.differences.is_empty());
}

#[tokio::test]
async fn a_log_whose_disk_is_full_holds_nobody_up() {
    let engine = Engine::start(json_ok("{}")).await;
    let config = config("phalanx", pool(&[engine.address])).with_decision_log(DecisionLog::new(Broken));
    let gateway = Gateway::start(config, bind("127.0.0.1:0").await).expect("sound");
    until_lost(&gateway).await;
    gateway.shutdown().await;
}
