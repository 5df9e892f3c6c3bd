//! A tokenizer from a folder to blocks.

use std::fs;
use std::path::PathBuf;

use phalanx_kvcache::BlockSize;
use serde_json::json;

use super::*;
use crate::api_error::ApiError;

/// A folder that is gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("phalanx-tokens-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().expect("in the folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hasher() -> ChainHasher {
    ChainHasher::new(BlockSize::new(4).expect("4 is a block size"))
}

fn tokenizer_json() -> String {
    tiny::tokenizer(&[], &["<s>"]).to_string()
}

async fn cut(tokenizer: &Tokenizer, api: Api, lora: &str, body: &str) -> Result<Ask, ApiError> {
    let mut ask = Ask::read_head(Bytes::copy_from_slice(body.as_bytes()), api)?;
    ask.cut(Some(tokenizer), api, lora, &hasher()).await;
    Ok(ask)
}

fn fallbacks(tokenizer: &Tokenizer) -> Vec<(&'static str, u64)> {
    tokenizer.counts().fallbacks().filter(|(_, count)| *count > 0).collect()
}

fn ids(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

#[tokio::test]
async fn prompts_have_the_blocks_of_their_tokens() {
    let config = json!({ "bos_token": { "content": "<s>" }, "chat_template": tiny::CHATML }).to_string();
    let scratch = Scratch::new("blocks", &[("tokenizer.json", &tokenizer_json()), ("tokenizer_config.json", &config)]);
    for path in [scratch.0.clone(), scratch.0.join("tokenizer.json")] {
        let tokenizer = TokenizerConfig::new(path).with_threads(1).load().expect("a folder");
        let ask =
            cut(&tokenizer, Api::Completions, "", r#"{"model":"m","prompt":"<s>hello world"}"#).await.expect("read");
        let mut expected = vec![256];
        expected.extend(ids("hello world"));
        assert_eq!((ask.blocks, ask.prompt_tokens), (hasher().contents(&expected), 12));
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
        let ask = cut(&tokenizer, Api::Chat, "", body).await.expect("read");
        let expected = ids("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!((ask.blocks, ask.prompt_tokens as usize), (hasher().contents(&expected), expected.len()));
        let ask =
            cut(&tokenizer, Api::Completions, "", r#"{"model":"m","prompt":[[1,2,3,4,5],[6]]}"#).await.expect("read");
        assert_eq!((ask.blocks, ask.prompt_tokens), (hasher().contents(&[1, 2, 3, 4, 5]), 6));
        assert_eq!(fallbacks(&tokenizer), []);
    }
}

#[tokio::test]
async fn adapters_and_salts_have_blocks_of_their_own() {
    let scratch = Scratch::new("salts", &[("tokenizer.json", &tokenizer_json())]);
    let tokenizer = TokenizerConfig::new(&scratch.0).load().expect("a folder");
    let body = r#"{"model":"m","prompt":"hello world","cache_salt":"tenant"}"#;
    let ask = cut(&tokenizer, Api::Completions, "poet", body).await.expect("read");
    let mut expected = Vec::new();
    let objects = phalanx_kvcache::BlockObjects::new();
    hasher().prompt_contents_into(&ids("hello world"), "poet", "tenant", &objects, &mut expected);
    assert_eq!(ask.blocks, expected);
}

#[tokio::test]
async fn what_cannot_be_had_is_cut_by_its_text() {
    let template = "{{ raise_exception('no') }}";
    let files = [("tokenizer.json", tokenizer_json()), ("chat_template.jinja", template.to_owned())];
    let scratch = Scratch::new("text", &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let tokenizer = TokenizerConfig::new(&scratch.0).load().expect("a folder");
    let chat = r#"{"model":"m","messages":[{"role":"user","content":"a long enough question"}]}"#;
    let strange = r#"{"model":"m","prompt":"a long enough question","truncate_prompt_tokens":3}"#;
    let long = format!(r#"{{"model":"m","prompt":"{}"}}"#, "a".repeat(LONGEST));
    for (api, body) in [(Api::Chat, chat), (Api::Completions, strange), (Api::Completions, &long), (Api::Other, chat)] {
        let text = Ask::read(Bytes::copy_from_slice(body.as_bytes()), api, &hasher()).expect("read");
        let ask = cut(&tokenizer, api, "", body).await.expect("read");
        assert_eq!((ask.blocks.is_empty(), ask.prompt_tokens), (false, text.prompt_tokens));
        assert_eq!(ask.blocks, text.blocks);
    }
    assert_eq!(fallbacks(&tokenizer), [("unsupported", 1), ("too_long", 1), ("template", 1)]);
}

#[tokio::test]
async fn a_full_queue_waits_for_nobody() {
    let queue = Queue::new(2);
    let job = || {
        let (answer, tokens) = oneshot::channel();
        (Job { body: Bytes::new(), api: Api::Chat, lora: String::new(), hasher: hasher(), answer }, tokens)
    };
    let (mut waits, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let (job, wait) = job();
        jobs.push(job);
        waits.push(wait);
    }
    let mut jobs = jobs.into_iter();
    let mut push = || queue.push(jobs.next().expect("one more"));
    assert_eq!([push(), push(), push()], [Ok(()), Ok(()), Err(Fallback::Full)]);
    // Whoever left has left a place.
    waits.remove(0);
    assert_eq!(push(), Ok(()));
}

#[test]
fn a_folder_that_is_none_is_told_with_its_file() {
    let json = tokenizer_json();
    let told = |name: &str, files: &[(&str, &str)]| {
        let scratch = Scratch::new(name, files);
        let error = TokenizerConfig::new(&scratch.0).load().map(drop).expect_err("it is wrong").to_string();
        error.replace(&scratch.0.display().to_string(), "F")
    };
    let error = told("none", &[]);
    assert!(error.starts_with("F/tokenizer.json: ") && error.contains("expected a model's folder"), "{error}");
    let error = told("broken", &[("tokenizer.json", "{\"model\": 7}")]);
    assert!(error.starts_with("F/tokenizer.json: ") && error.contains("expected a tokenizer.json"), "{error}");
    let error = told("config", &[("tokenizer.json", &json), ("tokenizer_config.json", "[]")]);
    assert!(error.starts_with("F/tokenizer_config.json: ") && error.contains("an object"), "{error}");
    let config = r#"{"chat_template":"{% for %}"}"#;
    let error = told("template", &[("tokenizer.json", &json), ("tokenizer_config.json", config)]);
    assert!(error.starts_with("F/tokenizer_config.json: ") && error.contains("in Jinja"), "{error}");
    let error = told("jinja", &[("tokenizer.json", &json), ("chat_template.jinja", "{{ ")]);
    assert!(error.starts_with("F/chat_template.jinja: "), "{error}");
}

#[test]
fn a_tokenizer_is_still_the_same_until_its_files_or_its_settings_change() {
    let json = tokenizer_json();
    let scratch = Scratch::new("still", &[("tokenizer.json", &json)]);
    let config = TokenizerConfig::new(&scratch.0).with_threads(1);
    let load = || config.load().expect("a folder");
    let first = load();
    assert!(first.is_still(&config) && first.clone().is_still(&config));
    assert!(!first.is_still(&config.clone().with_threads(2)));
    assert!(!first.is_still(&config.clone().with_cache_bytes(1)));
    assert!(!first.is_still(&TokenizerConfig::new(scratch.0.join("tokenizer.json")).with_threads(1)));
    // A file that comes, one of another size, one of another time, and one that is gone.
    let template = scratch.0.join("chat_template.jinja");
    fs::write(&template, "one").expect("a file");
    assert!(!first.is_still(&config));
    let second = load();
    assert!(second.is_still(&config));
    fs::write(&template, "three").expect("a file");
    assert!(!second.is_still(&config));
    let third = load();
    let file = fs::File::options().write(true).open(scratch.0.join("tokenizer.json")).expect("it is there");
    file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    assert!(!third.is_still(&config));
    let fourth = load();
    fs::remove_file(&template).expect("it is there");
    assert!(!fourth.is_still(&config));
}

#[tokio::test]
async fn a_template_may_stand_in_several_places() {
    let body = r#"{"model":"m","messages":[],"tools":[{"function":{"name":"f"}}]}"#;
    let several = json!({ "chat_template": [
        { "name": "default", "template": "plain plain" }, { "name": "tool_use", "template": "with tools" }] });
    let (json, several) = (tokenizer_json(), several.to_string());
    let config = ("tokenizer_config.json", several.as_str());
    let (own, more) = (("chat_template.jinja", "its own"), ("additional_chat_templates/tool_use.jinja", "tools!"));
    for (name, files, expected) in [
        ("several", vec![config], "with tools"),
        ("jinja", vec![config, own], "its own"),
        ("more", vec![own, more], "tools!"),
    ] {
        let mut files = files;
        files.push(("tokenizer.json", &json));
        let scratch = Scratch::new(&format!("places-{name}"), &files);
        let tokenizer = TokenizerConfig::new(&scratch.0).load().expect("a folder");
        let ask = cut(&tokenizer, Api::Chat, "", body).await.expect("read");
        assert_eq!(ask.blocks, hasher().contents(&ids(expected)), "{name}");
    }
}
