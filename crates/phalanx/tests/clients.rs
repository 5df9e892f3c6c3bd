//! Clients that people use, against `phalanx up`: curl, and OpenAI's Python package.
//!
//! curl is looked for on PATH; the package in the Python that `PHALANX_PYTHON` names, else in `python3`. A client that is not
//! there is skipped, loudly; `.ci/run` installs both.

mod support;

use std::io::Write;
use std::process::{Command, Output};

use support::{QUICKSTART, Serving};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/openai_client.py");

/// The output of a program that succeeds; `None` when it cannot be run or fails.
fn output(program: &str, args: &[&str]) -> Option<Output> {
    Command::new(program).args(args).output().ok().filter(|output| output.status.success())
}

/// Past the test runner, which keeps what a passing test prints to itself.
fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

#[expect(clippy::disallowed_methods, reason = "tests find their parts by the environment")]
fn python() -> String {
    std::env::var("PHALANX_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

#[test]
fn the_openai_python_package_works() {
    let python = python();
    if output(&python, &["-c", "import openai"]).is_none() {
        return skip(
            "the_openai_python_package_works",
            &format!("`{python}` has no package openai (pip install openai)"),
        );
    }
    let serving = Serving::start(&["up", QUICKSTART, "--listen", "127.0.0.1:0"]);
    let run = Command::new(&python).args([CLIENT, &format!("http://{}/v1", serving.address)]).output().expect("it ran");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    assert!(out.contains("models: large, small") && out.contains("bad request:"), "{out}");
    assert_eq!(serving.stop().1, Some(0));
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
