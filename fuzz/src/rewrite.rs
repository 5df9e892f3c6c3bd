//! Any bytes as the body of a request to the gateway.

use phalanx_gateway::fuzz::Read;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The parameters of a transfer.
const TRANSFER: &str = r#"{"remote_port": 1e2, "x":[]}"#;

/// Reads bytes as a body: of chat if the first byte is odd. What is accepted is an object in UTF-8 that says its model once.
/// Under another name and with a transfer's parameters it has these, and is the same bytes but for them; its prompt is the
/// same too.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let is_chat = first % 2 == 1;
    let Some(read) = Read::new(body, is_chat) else { return };
    let text = std::str::from_utf8(body).expect("only text is accepted");
    let fields = fields(text);
    assert_eq!(fields["model"].trim(), fields["model"]);
    assert_eq!(serde_json::from_str::<String>(fields["model"]).ok().as_deref(), Some(read.model()));
    assert_eq!(read.rewritten(None, None), body, "nothing to change");
    assert_eq!(read.rewritten(Some(read.model()), None), body, "nothing to change");

    let name = format!("{}\"\\\u{1}\u{fc}", read.model());
    for transfer in [None, Some(TRANSFER)] {
        let new = read.rewritten(Some(&name), transfer);
        let new = std::str::from_utf8(&new).expect("still text");
        let again = Read::new(new.as_bytes(), is_chat).expect("still accepted");
        assert_eq!((again.model(), again.prompt()), (name.as_str(), read.prompt()));
        let mut expected = fields.clone();
        let quoted = Value::from(name.as_str()).to_string();
        expected.insert("model".to_owned(), &quoted);
        if let Some(transfer) = transfer {
            expected.insert("kv_transfer_params".to_owned(), transfer);
        }
        assert_eq!(self::fields(new), expected, "other fields keep their bytes");
        if transfer.is_none() {
            // What is before and after the name, spaces included.
            let length = new.len() - quoted.len();
            assert_eq!(length, text.len() - fields["model"].len());
            let place = fields["model"].as_ptr() as usize - text.as_ptr() as usize;
            let after = place + fields["model"].len();
            assert_eq!((&new[..place], &new[place + quoted.len()..]), (&text[..place], &text[after..]));
        }
    }
}

/// The fields of an object, each as it is written; of one that stands twice the last.
fn fields(text: &str) -> BTreeMap<String, &str> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).expect("an object");
    fields.into_iter().map(|(name, value)| (name, value.get())).collect()
}
