use super::*;
use crate::Layer;

static NAMES: [BlockHash; 2] = [BlockHash(71), BlockHash(72)];

fn hasher() -> ChainHasher {
    ChainHasher::new(BlockSize::new(2).expect("a valid size"))
}

/// Two blocks of two tokens.
fn plain<'a>() -> Stored<'a> {
    Stored::new(&NAMES, Tokens::Ids(&[1, 2, 3, 4]), 2)
}

fn contents(stored: Stored<'_>) -> Vec<BlockHash> {
    match Translator::new(hasher().block_size()).change(&Event::Stored(stored)) {
        Ok(Change::Stored { contents, .. }) => contents.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn prompt(lora: &str, salt: &str, objects: &[(u32, u64)]) -> Vec<BlockHash> {
    let mut of = BlockObjects::new();
    objects.iter().for_each(|(block, object)| of.add(*block, *object));
    let mut out = Vec::new();
    hasher().prompt_contents_into(&[1, 2, 3, 4], lora, salt, &of, &mut out);
    out
}

fn text(block: u32, text: &str) -> Extra {
    Extra { block, key: ExtraKey::Text(text.to_owned()) }
}

#[test]
fn adapters_are_namespaces() {
    assert_eq!(contents(plain()), prompt("", "", &[]));
    let poet = Stored { lora_name: Some("poet"), ..plain() };
    assert_eq!(contents(poet), prompt("poet", "", &[]));
    let numbered = |number| Stored { lora_id: Some(number), ..plain() };
    assert_ne!(contents(numbered(1)), contents(numbered(2)));
    assert_ne!(contents(numbered(1)), prompt("", "", &[]));
    assert_ne!(contents(numbered(1)), prompt("1", "", &[]));
    let extras = &[text(0, "poet"), text(1, "poet")];
    assert_eq!(contents(Stored { extras, ..poet }), prompt("poet", "", &[]), "the name says nothing new");
    let extras = &[Extra { block: 0, key: ExtraKey::Number(1) }];
    assert_eq!(contents(Stored { extras, ..numbered(1) }), contents(numbered(1)));
}

#[test]
fn a_salt_is_in_the_first_block_of_a_prompt() {
    let salted = prompt("", "tenant", &[]);
    assert_eq!(contents(Stored { cache_salt: Some("tenant"), ..plain() }), salted);
    assert_eq!(contents(Stored { extras: &[text(0, "tenant")], ..plain() }), salted);
    let everywhere = Stored { extras: &[text(0, "tenant"), text(1, "tenant")], ..plain() };
    assert_eq!(contents(everywhere), salted);
    let behind = Stored { parent: Some(BlockHash(70)), cache_salt: Some("tenant"), ..everywhere };
    assert_eq!(contents(behind), prompt("", "", &[]), "the path says it");
    let extras = &[text(0, "poet"), text(0, "poet"), text(1, "poet")];
    let like_the_adapter = Stored { lora_name: Some("poet"), extras, ..plain() };
    assert_eq!(contents(like_the_adapter), prompt("poet", "poet", &[]));
}

#[test]
fn objects_are_in_their_blocks() {
    let object = |block, identifier: &str| {
        let key = ExtraKey::Object { identifier: identifier.to_owned(), offset: -7 };
        Extra { block, key }
    };
    let cat = BlockObjects::hash_of("cat");
    let extras = &[object(0, "cat"), text(0, "tenant"), object(1, "cat")];
    assert_eq!(contents(Stored { extras, ..plain() }), prompt("", "tenant", &[(0, cat), (1, cat)]));
    let extras = &[text(1, "cat"), Extra { block: 1, key: ExtraKey::Number(7) }];
    assert_eq!(contents(Stored { extras, ..plain() }), prompt("", "", &[(1, cat), (1, 7)]));
    let extras = &[object(2, "cat"), Extra { block: u32::MAX, key: ExtraKey::Bytes(vec![1]) }];
    assert_eq!(contents(Stored { extras, ..plain() }), prompt("", "", &[]), "no such blocks");
    let other = |raw: u8| {
        let extras = &[Extra { block: 1, key: ExtraKey::Other(vec![raw]) }];
        contents(Stored { extras, ..plain() })
    };
    assert_ne!(other(1), other(2));
    assert_eq!(other(1)[0], prompt("", "", &[])[0]);
}

#[test]
fn pairs_are_hashed_with_the_token_behind() {
    let pairs = Stored { tokens: Tokens::Bigrams(&[[1, 2], [2, 3], [3, 4], [4, 5]]), ..plain() };
    let hasher = hasher().with_bigrams();
    assert_eq!(contents(pairs), hasher.contents(&[1, 2, 3, 4, 5]));
    let mut expected = Vec::new();
    hasher.prompt_contents_into(&[1, 2, 3, 4, 5], "", "tenant", &BlockObjects::new(), &mut expected);
    assert_eq!(contents(Stored { cache_salt: Some("tenant"), ..pairs }), expected);
    assert_ne!(expected[0], hasher.contents(&[1, 2, 3])[0]);
    let torn = Stored { tokens: Tokens::Bigrams(&[[1, 2], [9, 3], [3, 4], [4, 5]]), ..plain() };
    assert_eq!(contents(torn), [], "not one prompt");
}

#[test]
fn blocks_without_their_tokens_are_told_by_name() {
    assert_eq!(contents(Stored { tokens: Tokens::Ids(&[1, 2, 3, 4, 5, 6]), ..plain() }), []);
    assert_eq!(contents(Stored { tokens: Tokens::Ids(&[]), ..plain() }), []);
    let mut translator = Translator::new(hasher().block_size());
    let event = Event::Removed { layer: Layer::MAIN, names: &NAMES };
    assert_eq!(translator.change(&event), Ok(Change::Removed { layer: Layer::MAIN, names: &NAMES }));
    assert_eq!(translator.mismatches(), 0);
}
