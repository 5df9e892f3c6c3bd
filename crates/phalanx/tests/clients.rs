//! Clients that people use: curl, the Python packages of OpenAI and of Anthropic, and the load generator aiperf.
//!
//! curl is looked for on PATH; the packages in the Python that `PHALANX_PYTHON` names, else in `python3`; aiperf beside the
//! Python that `PHALANX_AIPERF_PYTHON` names. A client that is not there is skipped, loudly; `.ci/run` installs the packages,
//! and `.ci/run --full` aiperf.

#[path = "support/scratch.rs"]
mod scratch;
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use scratch::Scratch;
use serde_json::Value;
use support::Serving;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/quickstart");
const OPENAI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/openai_client.py");
const ANTHROPIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/anthropic_client.py");
/// A model's folder with a tokenizer.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny-model");

/// The output of a program that succeeds; `None` when it cannot be run or fails.
fn output(program: &str, args: &[&str]) -> Option<Output> {
    Command::new(program).args(args).output().ok().filter(|output| output.status.success())
}

/// Past the test runner, which keeps what a passing test prints to itself.
fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

#[expect(clippy::disallowed_methods, reason = "tests find their parts by the environment")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn python() -> String {
    told("PHALANX_PYTHON").unwrap_or_else(|| "python3".to_owned())
}

/// Runs a program of a package against `phalanx up`; what it prints, or `None` if the package is not there.
fn talk(test: &str, package: &str, program: &str, base: &str) -> Option<String> {
    let python = python();
    if output(&python, &["-c", &format!("import {package}")]).is_none() {
        skip(test, &format!("`{python}` has no package {package} (pip install {package})"));
        return None;
    }
    let serving = Serving::start(&["up", QUICKSTART, "--listen", "127.0.0.1:0"]);
    let run = Command::new(&python).args([program, &format!("http://{}{base}", serving.address)]).output();
    let run = run.expect("it ran");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    assert_eq!(serving.stop().1, Some(0));
    Some(out.into_owned())
}

#[test]
fn the_openai_python_package_works() {
    let Some(out) = talk("the_openai_python_package_works", "openai", OPENAI, "/v1") else { return };
    assert!(out.contains("models: large, small") && out.contains("bad request:"), "{out}");
}

#[test]
fn the_anthropic_python_package_works() {
    let Some(out) = talk("the_anthropic_python_package_works", "anthropic", ANTHROPIC, "") else { return };
    assert!(out.contains("large, streamed:") && out.contains("bad request:"), "{out}");
}

#[test]
fn curl_works_plain_and_streaming() {
    if output("curl", &["--version"]).is_none() {
        return skip("curl_works_plain_and_streaming", "curl is not on PATH");
    }
    let serving = Serving::start(&["up", QUICKSTART, "--listen", "127.0.0.1:0"]);
    let url = format!("http://{}/v1/chat/completions", serving.address);
    for (stream, expected) in [("false", "\"completion_tokens\":2"), ("true", "data: [DONE]")] {
        let body = format!(
            r#"{{"model":"large","messages":[{{"role":"user","content":"Hi"}}],"max_tokens":2,"stream":{stream}}}"#
        );
        let run =
            output("curl", &["-sN", &url, "-H", "content-type: application/json", "-d", &body]).expect("it answers");
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(out.contains(expected), "{out}");
    }
    assert_eq!(serving.stop().1, Some(0));
}

#[test]
fn aiperf_drives_a_gateway_over_emulated_engines() {
    let test = "aiperf_drives_a_gateway_over_emulated_engines";
    let Some(python) = told("PHALANX_AIPERF_PYTHON") else {
        let how = "`cargo xtask part aiperf` installs it and prints what to set it to";
        return skip(test, &format!("PHALANX_AIPERF_PYTHON is not set; {how}"));
    };
    let engine = || Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let engines = [engine(), engine()];
    let places = engines.each_ref().map(|engine| format!("'{}'", engine.address)).join(", ");
    let file =
        Scratch::new("aiperf.yaml", &format!("listen: 127.0.0.1:0\nmodels: [{{name: tiny, endpoints: [{places}]}}]\n"));
    let gateway = Serving::start(&["gateway", "--config", file.path()]);
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("aiperf-{}", std::process::id()));
    for (kind, count) in [("chat", 40), ("completions", 20)] {
        let (place, count_text) = (results.join(kind), count.to_string());
        let url = format!("http://{}", gateway.address);
        let run = Command::new(Path::new(&python).with_file_name("aiperf"))
            .args(["profile", "--model", "tiny", "--url", &url, "--endpoint-type", kind, "--streaming"])
            .args(["--tokenizer", MODEL, "--isl", "200", "--isl-stddev", "0", "--osl", "16"])
            .args(["--concurrency", "4", "--request-count", &count_text, "--ui", "none"])
            .args(["--output-artifact-dir", place.to_str().expect("a plain path")])
            .output()
            .expect("aiperf is beside its python");
        let said = || String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{}", said());
        let report = std::fs::read(place.join("profile_export_aiperf.json"))
            .unwrap_or_else(|error| panic!("{error}: {}", said()));
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        assert_eq!(report["request_count"]["avg"].as_f64(), Some(f64::from(count)), "{report}");
        assert!(report["error_request_count"]["avg"].as_f64().unwrap_or(0.0) == 0.0, "{report}");
        assert!(report["time_to_first_token"]["p50"].as_f64() > Some(0.0), "{report}");
    }
    // What it leaves is looked at when something is wrong.
    std::fs::remove_dir_all(results).expect("it wrote there");
    for serving in engines.into_iter().chain([gateway]) {
        assert_eq!(serving.stop().1, Some(0));
    }
}
