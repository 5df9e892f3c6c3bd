//! The tokens of pieces are those of the whole.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tokens::tiny;

const MERGES: [(&str, &str); 15] = [
    ("t", "h"),
    ("th", "e"),
    ("h", "e"),
    (" ", "t"),
    (" t", "he"),
    ("i", "n"),
    ("\n", "\n"),
    ("a", "n"),
    (" ", "a"),
    ("<", "|"),
    ("|", ">"),
    ("e", "r"),
    (" ", " "),
    ("o", "w"),
    (" t", "h"),
];
const SPECIAL: [&str; 4] = ["<|a|>", "<|b|>", "<s>", "<s>x"];

/// Shapes of tokenizers that are in use, and some that are not.
fn tokenizers() -> Vec<(&'static str, Value)> {
    let plain = tiny::tokenizer(&MERGES, &SPECIAL);
    let with = |pointer: &str, value: Value| {
        let mut file = plain.clone();
        *file.pointer_mut(pointer).expect("it is there") = value;
        file
    };
    let split = |pattern: &str| {
        let split =
            json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        with("/pre_tokenizer", json!({ "type": "Sequence", "pretokenizers": [split, bytes] }))
    };
    let first = plain["added_tokens"][0]["id"].as_u64().expect("a number");
    let mut files = vec![("gpt2", plain.clone())];
    files.extend(cut::WORDS.iter().map(|pattern| ("split", split(pattern))));
    files.push(("nfc", with("/normalizer", json!({ "type": "NFC" }))));
    files.push(("spaced", with("/pre_tokenizer/add_prefix_space", true.into())));
    files.push(("begins and ends", with("/post_processor", json!({
        "type": "TemplateProcessing",
        "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                   { "SpecialToken": { "id": "<|b|>", "type_id": 0 } }],
        "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
        "special_tokens": { "<s>": { "id": "<s>", "ids": [first + 2], "tokens": ["<s>"] },
                            "<|b|>": { "id": "<|b|>", "ids": [first + 1], "tokens": ["<|b|>"] } },
    }))));
    for flag in ["lstrip", "rstrip", "single_word", "normalized"] {
        files.push((flag, with(&format!("/added_tokens/0/{flag}"), true.into())));
    }
    for scheme in ["first", "always", "never"] {
        let mut file = with(
            "/pre_tokenizer",
            json!({ "type": "Metaspace", "replacement": "_", "prepend_scheme": scheme, "split": false }),
        );
        file["model"]["byte_fallback"] = true.into();
        files.push((scheme, file));
    }
    let mut prepends = with("/pre_tokenizer", Value::Null);
    prepends["normalizer"] = json!({ "type": "Sequence", "normalizers": [
        { "type": "Prepend", "prepend": "_" }, { "type": "Replace", "pattern": { "String": " " }, "content": "_" }] });
    files.push(("prepends", prepends));
    files
}

fn load(file: &Value, cache_bytes: usize) -> Pieces {
    Pieces::new(file.to_string().as_bytes(), &Ends::default(), cache_bytes).expect("a tokenizer")
}

/// What the tokenizer itself says.
fn whole(pieces: &Pieces, text: &str, is_special: bool) -> Vec<u32> {
    pieces.tokenizer.encode(text, is_special).expect("text").get_ids().to_vec()
}

/// Bits of conversations, and of what a client may put in to confuse.
fn bits() -> impl Strategy<Value = String> {
    let bit = prop_oneof![
        4 => "[a-zA-Z]{1,8}",
        4 => Just(" ".to_owned()),
        2 => proptest::sample::select(SPECIAL.to_vec()).prop_map(str::to_owned),
        1 => "[ \\n\\t'0-9.,!<>|sx_]{1,6}",
        1 => "\\PC{1,4}",
        1 => proptest::sample::select(vec!["\u{301}", "e\u{301}", "the", "\n\n", "'ll ", "  ", "<|a", "|>", "<s"]).prop_map(str::to_owned),
        1 => "[a-z]{1,9}".prop_map(|word| format!("{word} ").repeat(300)),
    ];
    proptest::collection::vec(bit, 0..24).prop_map(|bits| bits.concat())
}

/// Bounds of caches in bytes, which fill from case to case.
const CACHES: [usize; 3] = [0, 2_000, 1 << 20];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// With whatever has come before in the cache, of texts that begin alike.
    #[test]
    fn what_is_remembered_is_what_the_tokenizer_says(
        start in bits(),
        ends in proptest::collection::vec(bits(), 1..4),
        cache in 0..3_usize,
    ) {
        static LOADED: OnceLock<Vec<Vec<(&str, Pieces)>>> = OnceLock::new();
        let load_all = |bytes| tokenizers().iter().map(|(name, file)| (*name, load(file, bytes))).collect();
        for (name, pieces) in &LOADED.get_or_init(|| CACHES.into_iter().map(load_all).collect())[cache] {
            for text in ends.iter().map(|end| format!("{start}{end}")).filter(|text| !text.is_empty()) {
                for is_special in [false, true] {
                    let (ids, _) = pieces.encode(&text, is_special).expect("text");
                    prop_assert_eq!(ids, whole(pieces, &text, is_special), "{} of {:?}", name, text);
                }
            }
            prop_assert!(pieces.cache_bytes() <= CACHES[cache]);
        }
    }
}

#[test]
fn a_later_turn_costs_only_what_is_new() {
    let pieces = load(&tiny::tokenizer(&MERGES, &SPECIAL), 1 << 20);
    let mut text = String::new();
    let mut last = 0;
    for turn in 0..20 {
        text.push_str(&format!("<|a|>the words of turn {turn}<|b|>"));
        let (ids, came) = pieces.encode(&text, false).expect("text");
        assert_eq!((came.cached + came.fresh, ids.len()), (ids.len(), whole(&pieces, &text, false).len()));
        assert!(came.cached >= last, "turn {turn}: {came:?}");
        assert!(came.fresh < 30, "turn {turn}: {came:?}");
        last = ids.len();
    }
    let (_, came) = pieces.encode(&text, false).expect("text");
    assert_eq!(came.fresh, 0);
}

#[test]
fn a_long_start_is_shared_by_texts_without_special_tokens() {
    let start = "and so they went on to the end of the world ".repeat(200);
    let text = |end: &str| format!("{start}{end}");
    for (name, file) in tokenizers().into_iter().take(cut::WORDS.len() + 2) {
        let pieces = load(&file, 1 << 20);
        pieces.encode(&text("where it was cold"), true).expect("text");
        let (ids, came) = pieces.encode(&text("and came back"), true).expect("text");
        assert!(came.cached * 4 > ids.len() * 3, "{name}: {came:?}");
    }
}

#[test]
fn the_configuration_says_what_begins_and_ends_a_prompt() {
    let file = tiny::tokenizer(&[], &["<s>", "</s>"]);
    let token = |text: &str| Some(Some(text.to_owned()));
    for (before, behind, expected) in [
        (None, None, vec![97]),
        (token("<s>"), None, vec![256, 97]),
        (token("<s>"), token("</s>"), vec![256, 97, 257]),
        (Some(None), token("</s>"), vec![97, 257]),
    ] {
        let pieces = Pieces::new(file.to_string().as_bytes(), &Ends { before, behind }, 0).expect("a tokenizer");
        assert_eq!(pieces.encode("a", true).expect("text").0, expected);
        assert_eq!(pieces.encode("a", false).expect("text").0, [97]);
        assert_eq!(pieces.encode("", true).expect("text").0.len(), expected.len() - 1);
    }
}

#[test]
fn an_engine_truncates_nothing_that_it_is_not_asked_to() {
    let mut file = tiny::tokenizer(&[], &["<s>"]);
    file["truncation"] = json!({ "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0 });
    file["padding"] = json!({ "strategy": { "Fixed": 9 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                              "pad_type_id": 0, "pad_token": "!" });
    assert_eq!(load(&file, 0).encode("hello", true).expect("text").0, b"hello".map(u32::from));
}

#[test]
fn what_is_no_tokenizer_is_told() {
    for file in ["", "{}", "[1]", r#"{"model":{"type":"BPE"}}"#] {
        assert!(Pieces::new(file.as_bytes(), &Ends::default(), 0).is_err(), "{file}");
    }
}
