//! A real engine behind `phalanx gateway`: vLLM on this machine's processor.
//!
//! `PHALANX_VLLM_PYTHON` names a Python that has it, as `cargo xtask part vllm` installs it (6 GB). Without it this test is
//! skipped, loudly; `.ci/run --full` runs it. Two engines take 8 GB of memory and a minute or two to start.

#[path = "support/http.rs"]
mod http;
#[path = "support/scratch.rs"]
mod scratch;
mod support;
#[path = "support/vllm.rs"]
mod vllm;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use http::{get, post};
use scratch::Scratch;
use serde_json::{Value, json};
use support::Serving;
use vllm::{BLOCK, MODEL, Vllm, free_port};

/// How long what an engine publishes may take to arrive.
const SOON: Duration = Duration::from_secs(30);

/// A gateway in front of engines, and what its index has to have learned.
struct Front {
    gateway: Serving,
    _file: Scratch,
    debug: String,
    /// Blocks that each endpoint has published, further copies included.
    published: BTreeMap<String, u64>,
    /// Tokens that the gateway promised, and engines found.
    cached: u64,
    /// What was asked last, for when that goes wrong.
    last: String,
}

/// What an engine says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    prompt: u64,
    cached: u64,
    generated: u64,
}

/// What became of a request.
struct Asked {
    endpoint: String,
    usage: Usage,
    /// What is said, whatever the API.
    text: String,
}

impl Usage {
    /// Of any API's answer or events.
    fn of(answer: &Value) -> Option<Self> {
        let usage = [&answer["usage"], &answer["response"]["usage"]].into_iter().find(|usage| usage.is_object())?;
        let number = |value: &Value| value.as_u64();
        if let Some(prompt) = number(&usage["prompt_tokens"]) {
            let cached = number(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0);
            return Some(Self { prompt, cached, generated: number(&usage["completion_tokens"])? });
        }
        let (input, generated) = (number(&usage["input_tokens"])?, number(&usage["output_tokens"])?);
        // OpenAI's responses count all tokens, Anthropic's messages apart those that were or will be cached.
        Some(match number(&usage["cache_read_input_tokens"]) {
            Some(cached) => {
                let created = number(&usage["cache_creation_input_tokens"]).unwrap_or(0);
                Self { prompt: input + created + cached, cached, generated }
            }
            None => {
                let cached = number(&usage["input_tokens_details"]["cached_tokens"]).unwrap_or(0);
                Self { prompt: input, cached, generated }
            }
        })
    }

    /// Blocks that an engine has computed anew and keeps: the last token is not computed any more.
    fn stored(self) -> u64 {
        (self.prompt + self.generated - 1) / BLOCK - self.cached / BLOCK
    }
}

/// The text of an answer or of an event.
fn said(value: &Value) -> String {
    let choice = &value["choices"][0];
    let places = [&choice["text"], &choice["message"]["content"], &choice["delta"]["content"], &value["delta"]["text"]];
    let places = places.into_iter().chain([&value["content"][0]["text"], &value["output"][0]["content"][0]["text"]]);
    places.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
}

impl Front {
    /// Every engine serves `tiny`, and each one a model of its own name.
    fn start(engines: &[(&str, &Vllm)], published: BTreeMap<String, u64>) -> Self {
        let place = |(name, engine): &(&str, &Vllm)| {
            let Vllm { address, events, replay, .. } = engine;
            format!(
                "{{name: {name}, address: '{address}', kv_events: {{address: {events}, replay: {replay}, topic: kv@}}}}"
            )
        };
        let places: Vec<_> = engines.iter().map(place).collect();
        let model = |name: &str, places: &[String]| {
            format!(
                "- name: {name}\n  served_as: tiny\n  metrics: true\n  tokenizer: {{path: '{MODEL}'}}\n  endpoints: [{}]\n",
                places.join(", ")
            )
        };
        let mut models = model("tiny", &places);
        for ((name, _), place) in engines.iter().zip(&places) {
            models += &model(name, std::slice::from_ref(place));
        }
        let debug = format!("127.0.0.1:{}", free_port());
        let head = format!("listen: 127.0.0.1:0\npolicy: phalanx\nblock_size: {BLOCK}\ndebug: {debug}\n");
        let file = Scratch::new("vllm.yaml", &format!("{head}models:\n{models}"));
        let gateway = Serving::start(&["gateway", "--config", file.path()]);
        Self { gateway, _file: file, debug, published, cached: 0, last: String::new() }
    }

    fn published(told: &Value) -> u64 {
        let count = |name: &str| told[name].as_u64().expect("a count");
        count("stored") + count("repeated")
    }

    /// Looks at what the gateway knows of an endpoint's KV events until it is as expected.
    fn until(&self, endpoint: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let endpoints = get(&self.debug, "/debug/endpoints").json();
            let found = endpoints.as_array().expect("a list").iter().find(|found| found["name"] == endpoint);
            let told = &found.expect("it is an endpoint")["kv_events"];
            if expected(told) {
                return told.clone();
            }
            assert!(begin.elapsed() < SOON, "{endpoint}: {told}, after {}", self.last);
        }
    }

    /// Waits until the index has all that the engines have published.
    fn catch_up(&self) {
        for (endpoint, &published) in &self.published {
            let told = self.until(endpoint, |told| Self::published(told) >= published);
            assert_eq!(
                Self::published(&told),
                published,
                "{endpoint} published more than it computed: {told}, last for {}",
                self.last
            );
        }
    }

    /// Counts from now on, when all that came before is known: who was put off for want of blocks has published some of them
    /// twice. What an engine publishes comes in order, so a prompt that is found comes behind all else.
    fn begin_anew(&mut self) {
        let endpoints: Vec<String> = self.published.keys().cloned().collect();
        for endpoint in endpoints {
            let body = json!({ "model": endpoint, "prompt": "All before this is known. ".repeat(5), "max_tokens": 1 });
            let begin = Instant::now();
            loop {
                self.send("/v1/completions", &body);
                if self.decision()["cached_tokens"].as_u64() >= Some(BLOCK) {
                    break;
                }
                assert!(begin.elapsed() < SOON, "{endpoint} does not publish");
            }
            let told = self.until(&endpoint, |_| true);
            self.published.insert(endpoint, Self::published(&told));
        }
    }

    /// The last one.
    fn decision(&self) -> Value {
        get(&self.debug, "/debug/decisions").json()[0].clone()
    }

    fn send(&mut self, path: &str, body: &Value) -> Asked {
        let answer = post(&self.gateway.address, path, body);
        assert_eq!(answer.status, 200, "{body}\n{}", answer.body);
        let endpoint = answer.header("x-phalanx-endpoint").expect("an endpoint").to_owned();
        let is_stream = body["stream"] == true;
        let events = if is_stream { answer.events() } else { vec![answer.json()] };
        assert!(!is_stream || events.len() > 1, "{}", answer.body);
        let usage = events.iter().rev().find_map(Usage::of).unwrap_or_else(|| panic!("no usage: {}", answer.body));
        *self.published.get_mut(&endpoint).expect("it is an endpoint") += usage.stored();
        self.last = format!("{usage:?} at {endpoint}: {path} {body}");
        Asked { endpoint, usage, text: events.iter().map(said).collect() }
    }

    /// Asks, and compares what the gateway expected of the chosen engine with what that says.
    fn ask(&mut self, path: &str, body: &Value) -> Asked {
        self.catch_up();
        let asked = self.send(path, body);
        let decision = self.decision();
        let Usage { prompt, cached, .. } = asked.usage;
        assert_eq!(decision["endpoint"], asked.endpoint.as_str(), "{body}");
        assert_eq!(decision["prompt_tokens"].as_u64(), Some(prompt), "{path} {body}");
        // An engine computes the last token of each prompt, and blocks only whole.
        let expected = decision["cached_tokens"].as_u64().expect("a count").min(prompt - 1) / BLOCK * BLOCK;
        assert_eq!(cached, expected, "{path} at {}: {decision} of {body}", asked.endpoint);
        self.cached += cached;
        asked
    }
}

#[expect(clippy::disallowed_methods, reason = "tests find their parts by the environment")]
fn python() -> Option<String> {
    std::env::var("PHALANX_VLLM_PYTHON").ok()
}

fn message(role: &str, content: impl Into<Value>) -> Value {
    json!({ "role": role, "content": content.into() })
}

#[test]
fn a_real_engine_finds_the_tokens_that_the_gateway_expects() {
    let Some(python) = python() else {
        let why = "PHALANX_VLLM_PYTHON is not set; `cargo xtask part vllm` installs vLLM and prints what to set it to";
        let _ = writeln!(std::io::stderr(), "SKIPPED a_real_engine_finds_the_tokens_that_the_gateway_expects: {why}");
        return;
    };
    let first = Vllm::start(&python, &[]);
    // So few blocks that each longer prompt evicts others.
    let second = Vllm::start(&python, &["--num-gpu-blocks-override", "48"]);
    first.serves();
    second.serves();

    // Computed before there is a gateway.
    let early = "What has been computed before the gateway came is told again when it asks. ".repeat(5);
    let body = json!({ "model": "tiny", "prompt": early, "max_tokens": 1, "ignore_eos": true });
    let answer = post(&first.address, "/v1/completions", &body);
    let published = Usage::of(&answer.json()).unwrap_or_else(|| panic!("no usage: {}", answer.body)).stored();
    let published = BTreeMap::from([("first".to_owned(), published), ("second".to_owned(), 0)]);
    let mut front = Front::start(&[("first", &first), ("second", &second)], published);
    let found = front.ask("/v1/completions", &json!({ "model": "first", "prompt": early, "max_tokens": 1 }));
    assert!(found.usage.cached > 0, "nothing was told again");

    conversations(&mut front);
    completions(&mut front);
    chats_of_all_kinds(&mut front);
    other_apis(&mut front);
    many_at_once(&mut front);
    assert!(front.cached > 5_000, "{} cached tokens", front.cached);
    evictions(&mut front);
    a_cache_that_is_dropped(&mut front, &first);
    assert_eq!(front.gateway.stop().1, Some(0));
}

/// Conversations under one system prompt, turn by turn, each second one streamed.
fn conversations(front: &mut Front) {
    let system = "You hold the line beside your neighbour, and the neighbour holds it beside you. ".repeat(4);
    let mut talks = vec![vec![message("system", system.as_str())]; 3];
    for turn in 0..4 {
        for (place, talk) in talks.iter_mut().enumerate() {
            talk.push(message("user", format!("  Question {turn} of {place}: who stands at the end – 42? \u{1f}\n")));
            let (stream, limit) = ((turn + place) % 2 == 1, 10 + 7 * turn);
            let mut body = json!({ "model": "tiny", "messages": talk, "max_tokens": limit, "ignore_eos": true, "stream": stream, "seed": turn });
            if stream {
                body["stream_options"] = json!({ "include_usage": true });
            }
            let answer = front.ask("/v1/chat/completions", &body);
            assert_eq!(answer.usage.generated, limit as u64);
            talk.push(message("assistant", answer.text));
        }
    }
}

/// Texts and tokens that share beginnings, of lengths around those of blocks.
fn completions(front: &mut Front) {
    let text: String =
        (0..60).map(|line| format!("{line}. the thing in the ring and the ünderstanding of it 🛡\n")).collect();
    for length in [100, 101, 130, 131, 132, 260, 300, 300] {
        let prompt: String = text.chars().take(length).collect();
        let body = json!({ "model": "tiny", "prompt": prompt, "max_tokens": 5, "ignore_eos": true, "stream": length == 132,
            "stream_options": if length == 132 { json!({ "include_usage": true }) } else { Value::Null } });
        front.ask("/v1/completions", &body);
        let plain = json!({ "model": "tiny", "prompt": prompt, "max_tokens": 1, "add_special_tokens": false });
        front.ask("/v1/completions", &plain);
    }
    let tokens: Vec<u32> = (0..256).map(|place| place * 7 % 250).collect();
    for length in [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK, 2 * BLOCK + 1, 256, 256] {
        let body = json!({ "model": "tiny", "prompt": tokens[..length as usize], "max_tokens": 2, "ignore_eos": true });
        front.ask("/v1/completions", &body);
    }
    for salt in ["one tenant", "another", "one tenant"] {
        let body = json!({ "model": "tiny", "prompt": tokens, "max_tokens": 1, "cache_salt": salt });
        front.ask("/v1/completions", &body);
    }
}

/// What else comes to a chat template.
fn chats_of_all_kinds(front: &mut Front) {
    let long = "The shield wall is as strong as what is between two of its shields. ".repeat(3);
    let user = message("user", long.as_str());
    let part = |text: &str| json!({ "type": "text", "text": text });
    let parts = message("user", json!([part(&long), part("And so on.")]));
    let tool = json!({ "type": "function", "function": { "name": "look", "description": "Looks – there",
        "parameters": { "type": "object", "properties": { "where": { "type": "string" } }, "required": ["where"] } } });
    let begun = message("assistant", "It is as strong as");
    for more in [
        json!({ "messages": [user] }),
        json!({ "messages": [parts] }),
        json!({ "messages": [parts], "tools": [tool], "tool_choice": "none" }),
        json!({ "messages": [user, begun], "add_generation_prompt": false, "continue_final_message": true }),
        json!({ "messages": [user, begun], "add_generation_prompt": false }),
        json!({ "messages": [user], "add_special_tokens": true }),
        json!({ "messages": [user], "cache_salt": "one tenant" }),
        json!({ "messages": [user], "reasoning_effort": "low" }),
        json!({ "messages": [user], "chat_template_kwargs": { "add_generation_prompt": false } }),
    ] {
        for _ in 0..2 {
            let mut body = json!({ "model": "tiny", "max_tokens": 3, "ignore_eos": true });
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            front.ask("/v1/chat/completions", &body);
        }
    }
}

/// Anthropic's messages and OpenAI's responses.
fn other_apis(front: &mut Front) {
    let long = "Whoever stands in the second row holds the shield over the first. ".repeat(3);
    let text = |text: &str| json!({ "type": "text", "text": text });
    for system in [
        json!("Be brief."),
        json!([text("Be brief."), text("And be kind.")]),
        json!([text("x-anthropic-billing-header: 1"), text("Be brief.")]),
    ] {
        for stream in [false, true] {
            let body = json!({ "model": "tiny", "system": system, "messages": [message("user", long.as_str()),
                message("assistant", "So they do."), message("user", json!([text("Why?"), text("How?")]))], "max_tokens": 4, "stream": stream });
            front.ask("/v1/messages", &body);
        }
    }
    for stream in [false, true] {
        let body = json!({ "model": "tiny", "instructions": "Be brief.", "input": long, "max_output_tokens": 4, "stream": stream });
        front.ask("/v1/responses", &body);
        let body = json!({ "model": "tiny", "input": [message("user", long.as_str())], "max_output_tokens": 4, "stream": stream });
        front.ask("/v1/responses", &body);
    }
}

/// More than the engines take in one batch, of four groups; what they hold then is known again.
fn many_at_once(front: &mut Front) {
    let body = |place: usize| {
        let prompt = format!("Group {}: ", place % 4).repeat(12) + &place.to_string();
        json!({ "model": "tiny", "prompt": prompt, "max_tokens": 4, "ignore_eos": true })
    };
    let address = front.gateway.address.as_str();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> =
            (0..24).map(|place| scope.spawn(move || post(address, "/v1/completions", &body(place)))).collect();
        asking.into_iter().map(|asking| asking.join().expect("it answers")).collect()
    });
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    front.begin_anew();
    for place in 0..8 {
        front.ask("/v1/completions", &body(place));
    }
}

/// Prompts that push each other out of a small cache.
fn evictions(front: &mut Front) {
    let removed = |front: &Front| front.until("second", |_| true)["removed"].as_u64().expect("a count");
    let before = removed(front);
    let prompt = |about: usize| format!("{about} pushes others out. ").repeat(12 + about);
    for about in [0, 1, 2, 3, 0, 1, 4, 5, 5, 2, 6, 0, 6] {
        front.ask(
            "/v1/completions",
            &json!({ "model": "second", "prompt": prompt(about), "max_tokens": 20, "ignore_eos": true }),
        );
    }
    assert!(removed(front) > before + 48, "hardly anything was evicted");
}

/// An engine that drops its cache says so with the next that it computes.
fn a_cache_that_is_dropped(front: &mut Front, first: &Vllm) {
    front.catch_up();
    assert_eq!(post(&first.address, "/reset_prefix_cache", &Value::Null).status, 200);
    let body = |about: &str| json!({ "model": "first", "prompt": about.repeat(20), "max_tokens": 1 });
    let asked = front.send("/v1/completions", &body("the first one after it "));
    assert_eq!(asked.usage.cached, 0);
    for about in ["the first one after it ", "Group 1: ", "Group 1: "] {
        front.ask("/v1/completions", &body(about));
    }
}
