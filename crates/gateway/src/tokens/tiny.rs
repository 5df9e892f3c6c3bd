//! Tokenizers small enough to be made on the spot: each byte is the token of its number, and more as asked.

use serde_json::{Value, json};

/// What byte-level tokenizers write a byte as.
fn letter(byte: u8) -> char {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if plain(byte) {
        return char::from(byte);
    }
    let place = (0..byte).filter(|&byte| !plain(byte)).count() as u32;
    char::from_u32(256 + place).expect("below the surrogates")
}

fn letters(text: &str) -> String {
    text.bytes().map(letter).collect()
}

/// The file of a byte-level tokenizer: 256 bytes, then what is made by `merges`, then `special`.
pub(crate) fn tokenizer(merges: &[(&str, &str)], special: &[&str]) -> Value {
    let mut vocabulary = serde_json::Map::new();
    for byte in 0..=255 {
        vocabulary.insert(letter(byte).to_string(), byte.into());
    }
    for (one, other) in merges {
        let id = vocabulary.len();
        vocabulary.entry(letters(one) + &letters(other)).or_insert(id.into());
    }
    let merges: Vec<Value> = merges.iter().map(|(one, other)| json!([letters(one), letters(other)])).collect();
    let first = vocabulary.len();
    let added: Vec<Value> = special.iter().enumerate().map(|(place, content)| added(first + place, content)).collect();
    let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": merges },
    })
}

fn added(id: usize, content: &str) -> Value {
    json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true })
}

/// A chat template in ChatML, as the emulator frames conversations.
pub(crate) const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + \
                                 '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
