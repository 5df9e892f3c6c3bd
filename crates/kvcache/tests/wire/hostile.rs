//! What is cut off, broken or made to cost much.

use phalanx_kvcache::wire::{Event, EventBatch, Extra, ExtraKey, Stored, Tokens, WireError, encode};
use phalanx_kvcache::{BlockHash, Layer, Tier};
use proptest::prelude::*;

use super::cases::cases;
use super::pack::Value::{Array, Bool, Bytes, Ext, Float, Int, Map, Nil, Text, Uint};
use super::pack::{Value, list, map, pack, text};
use super::{messages, read};

fn error(payload: &[u8]) -> WireError {
    let mut batch = EventBatch::new();
    batch.read(messages()[0].last().expect("a payload")).expect("a batch");
    let Err(error) = batch.read(payload) else { panic!("{} bytes are read: {payload:x?}", payload.len()) };
    assert!(error.offset() <= payload.len(), "{error} of {}", payload.len());
    assert_eq!((batch.events().count(), batch.rank(), batch.unknown()), (0, None, 0), "a broken batch yields nothing");
    error
}

/// An event of each kind in the other form than the captures have.
fn by_place() -> Vec<u8> {
    let bytes = Bytes(vec![9; 32]);
    let extras = Array(vec![Nil, Array(vec![Array(vec![text("image"), Int(-3)]), text("salt")])]);
    let stored = vec![
        text("BlockStored"),
        Array(vec![bytes.clone(), Int(-5)]),
        bytes,
        Array(vec![list(&[5, 300], Uint), list(&[300, 70_000], Uint)]),
        Int(1),
        Int(2),
        text("CPU"),
        map(&[("cache_salt", text("tenant"))]),
        extras,
        Int(1),
        text("mamba"),
        Float(0.5),
        Ext(1, vec![1]),
        Bool(true),
    ];
    let removed = vec![text("BlockRemoved"), list(&[1, 2], Uint), text("GPU"), Int(1)];
    let unknown = vec![text("BlockMoved"), map(&[("to", Nil)])];
    let events = [stored, removed, vec![text("AllBlocksCleared")], unknown].map(Array);
    pack(&map(&[("ts", Float(1.0)), ("events", Array(events.to_vec())), ("data_parallel_rank", Int(0))]), false)
}

#[test]
fn every_prefix_is_an_error_in_its_bounds() {
    let mut payloads: Vec<Vec<u8>> = messages().into_iter().filter_map(|mut frames| frames.pop()).collect();
    payloads.push(by_place());
    for payload in payloads {
        read(&payload);
        for length in 0..payload.len() {
            error(&payload[..length]);
        }
        let longer = [payload.as_slice(), b"\xc0\xc0"].concat();
        assert_eq!(error(&longer), WireError::Trailing { offset: payload.len(), bytes: 2 });
    }
}

#[test]
fn errors_name_the_place_and_what_belongs_there() {
    let event = |fields: &[(&str, Value)]| pack(&Array(vec![Int(0), Array(vec![map(fields)])]), false);
    let stored = |field: &str, value: Value| {
        let fields = [
            ("type", text("BlockStored")),
            ("block_hashes", list(&[1], Uint)),
            ("parent_block_hash", Nil),
            ("token_ids", list(&[1], Uint)),
            ("block_size", Int(1)),
        ];
        event(&fields.map(|(name, known)| (name, if name == field { value.clone() } else { known })))
    };
    read(&stored("", Nil));
    let cases = [
        (vec![], "byte 0: the payload ends, expected a batch of events: an array or a map"),
        (pack(&Nil, false), "byte 0: expected a batch of events: an array or a map, found nil"),
        (pack(&Array(vec![]), false), "byte 0: a batch without a timestamp"),
        (pack(&Array(vec![Int(0)]), false), "byte 0: a batch without events"),
        (pack(&map(&[("ts", Int(0))]), false), "byte 0: a batch without events"),
        (pack(&Array(vec![text("now"), Array(vec![])]), false), "byte 1: expected a timestamp, found text"),
        (pack(&Array(vec![Nil, Array(vec![])]), false), "byte 1: expected a timestamp, found nil"),
        (pack(&Array(vec![Int(0), Nil]), false), "byte 2: expected a list of events, found nil"),
        (
            pack(&Array(vec![Int(0), Array(vec![Nil])]), false),
            "byte 3: expected an event: an array or a map, found nil",
        ),
        (pack(&Array(vec![Int(0), Array(vec![Array(vec![])])]), false), "byte 3: an event without its type"),
        (pack(&Array(vec![Int(0), Array(vec![Map(vec![])])]), false), "byte 3: an event without its type"),
        (
            pack(&Array(vec![Int(0), Array(vec![]), Int(-1)]), false),
            "byte 3: expected a data-parallel rank, or nil, found a negative number",
        ),
        (event(&[("type", text("BlockStored"))]), "byte 3: a stored event without block hashes"),
        (event(&[("type", text("BlockRemoved"))]), "byte 3: a removal without block hashes"),
        (event(&[("type", Nil)]), "byte 9: expected the type of an event, found nil"),
        (stored("token_ids", Array(vec![Int(-1)])), "byte 66: expected a token id below 2^32, found a negative number"),
        (
            stored("token_ids", Array(vec![Uint(1 << 32)])),
            "byte 66: expected a token id below 2^32, found a larger number",
        ),
        (
            stored("token_ids", Array(vec![Array(vec![Int(1)])])),
            "byte 66: expected a pair of token ids below 2^32, found an array",
        ),
        (
            stored("token_ids", Array(vec![list(&[1, 2], Uint), Int(3)])),
            "byte 69: expected a pair of token ids below 2^32, found an integer",
        ),
        (stored("block_size", Nil), "byte 78: expected a block size in tokens, found nil"),
        (
            stored("parent_block_hash", Bytes(vec![0; 7])),
            "byte 54: expected a block hash: an integer, or 8 to 32 bytes, found bytes of another length",
        ),
        (
            stored("parent_block_hash", Bytes(vec![0; 33])),
            "byte 54: expected a block hash: an integer, or 8 to 32 bytes, found bytes of another length",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(error(&payload).to_string(), expected);
    }
    let invalid = event(&[("type", text("BlockStored")), ("lora_name", text("~~~"))]);
    let at = invalid.windows(3).position(|three| three == b"~~~").expect("the name");
    let broken = [&invalid[..at], &[0xff; 3], &invalid[at + 3..]].concat();
    assert_eq!(error(&broken).offset(), at - 1);
    assert_eq!(
        error(b"\x92\x00\xc1").to_string(),
        "byte 2: expected a list of events, found a byte that begins no value"
    );
}

#[test]
fn invariant_10_announced_lengths_are_not_believed() {
    // A list of events, of block hashes, of tokens, a map, text, bytes and an extension of 2^32 - 1 each.
    let stored = |more: &[u8]| [b"\x92\x00\x91\x96\xabBlockStored".as_slice(), more].concat();
    let unknown = |more: &[u8]| [b"\x92\x00\x91\x92\xa1x".as_slice(), more].concat();
    let huge = [0xff_u8; 4];
    let cases = [
        [b"\x92\x00\xdd".as_slice(), &huge].concat(),
        stored(&[b"\xdd".as_slice(), &huge].concat()),
        stored(&[b"\x90\xc0\xdd".as_slice(), &huge].concat()),
        unknown(&[b"\xdd".as_slice(), &huge].concat()),
        unknown(&[b"\xdf".as_slice(), &huge].concat()),
        unknown(&[b"\xdb".as_slice(), &huge].concat()),
        unknown(&[b"\xc6".as_slice(), &huge].concat()),
        unknown(&[b"\xc9".as_slice(), &huge].concat()),
    ];
    for payload in cases {
        let offset = payload.len() - 5;
        let error = error(&payload);
        assert!(matches!(error, WireError::Announced { offset: at, left: 0, .. } if at == offset), "{error}");
    }
}

#[test]
fn invariant_10_depth_costs_nothing() {
    let deep = 1_000_000;
    let nested = [vec![0x91; deep], vec![0xc0]].concat();
    let payload = [b"\x93\x00\x90\xc0".as_slice(), &nested].concat();
    assert!(EventBatch::new().read(&payload).is_err(), "more than announced");
    let payload = [b"\x94\x00\x90\xc0".as_slice(), &nested].concat();
    assert_eq!(read(&payload).events().count(), 0);
    let key = [b"\x92\x00\x91\x96\xabBlockStored\x91\x01\xc0\x91\x05\x01".as_slice(), &nested].concat();
    assert!(matches!(error(&key), WireError::Unexpected { .. }), "nested where a number belongs");
    // Each level announces more than there is.
    let bomb = [b"\x94\x00\x90\xc0".as_slice(), &[0xdd, 0, 0, 0xff, 0xff].repeat(60_000)].concat();
    assert!(matches!(error(&bomb), WireError::Announced { .. } | WireError::Ended { .. }));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Nil),
        any::<bool>().prop_map(Bool),
        any::<i64>().prop_map(Int),
        any::<u64>().prop_map(Uint),
        any::<f64>().prop_map(Float),
        "[a-z_]{0,12}".prop_map(Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes),
        (any::<i8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, bytes)| Ext(kind, bytes)),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Array),
            prop::collection::vec((inner.clone(), inner), 0..5).prop_map(Map),
        ]
    })
}

/// An event that owns what it is made of.
#[derive(Clone, Debug)]
enum Owned {
    Stored {
        layer: Layer,
        parent: Option<u64>,
        names: Vec<BlockHash>,
        tokens: Vec<[u32; 2]>,
        words: Words,
        extras: Vec<Extra>,
    },
    Removed {
        layer: Layer,
        names: Vec<BlockHash>,
    },
    Cleared,
}

#[derive(Clone, Debug)]
struct Words {
    bigrams: bool,
    lora: Option<(u64, String)>,
    salt: Option<String>,
    window: Option<u32>,
    session: Option<String>,
}

impl Owned {
    fn event(&self) -> Event<'_> {
        match self {
            Self::Stored { layer, parent, names, tokens, words, extras } => {
                let tokens = match words.bigrams && !tokens.is_empty() {
                    true => Tokens::Bigrams(tokens),
                    false => Tokens::Ids(tokens.as_flattened()),
                };
                let mut stored = Stored::new(names, tokens, 3);
                stored.layer = *layer;
                stored.parent = parent.map(BlockHash);
                stored.lora_id = words.lora.as_ref().map(|(id, _)| *id);
                stored.lora_name = words.lora.as_ref().map(|(_, name)| name.as_str());
                stored.cache_salt = words.salt.as_deref();
                stored.sliding_window = words.window;
                stored.session_id = words.session.as_deref();
                stored.extras = extras;
                Event::Stored(stored)
            }
            Self::Removed { layer, names } => Event::Removed { layer: *layer, names },
            Self::Cleared => Event::Cleared,
        }
    }
}

fn any_event() -> impl Strategy<Value = Owned> {
    let layer = || (any::<u16>(), 0..4_usize).prop_map(|(group, tier)| Layer::new(group, Tier::ALL[tier]));
    let names = || prop::collection::vec(prop_oneof![any::<u64>(), 0..300_u64].prop_map(BlockHash), 0..5);
    let id = || prop_oneof![any::<u32>(), 0..300_u32];
    let word = || prop::option::of("\\PC{1,40}");
    let words = (any::<bool>(), prop::option::of((any::<u64>(), "\\PC{1,40}")), word(), prop::option::of(id()), word())
        .prop_map(|(bigrams, lora, salt, window, session)| Words { bigrams, lora, salt, window, session });
    let key = prop_oneof![
        "\\PC{0,40}".prop_map(ExtraKey::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(ExtraKey::Bytes),
        ("\\PC{0,40}", any::<i64>()).prop_map(|(identifier, offset)| ExtraKey::Object { identifier, offset }),
        any::<u64>().prop_map(ExtraKey::Number),
    ];
    let extras = prop::collection::vec((0..5_u32, key), 0..4);
    let tokens = prop::collection::vec([id(), id()], 0..8);
    prop_oneof![
        3 => (layer(), prop::option::of(any::<u64>()), names(), tokens, words, extras).prop_map(
            |(layer, parent, names, tokens, words, mut extras)| {
                extras.retain(|(block, _)| (*block as usize) < names.len());
                extras.sort_by_key(|(block, _)| *block);
                let extras = extras.into_iter().map(|(block, key)| Extra { block, key }).collect();
                Owned::Stored { layer, parent, names, tokens, words, extras }
            }
        ),
        2 => (layer(), names()).prop_map(|(layer, names)| Owned::Removed { layer, names }),
        1 => Just(Owned::Cleared),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_is_written_is_read_again(
        timestamp in any::<f64>().prop_filter("a number", |number| !number.is_nan()),
        rank in prop::option::of(any::<u32>()),
        owned in prop::collection::vec(any_event(), 0..6),
    ) {
        let events: Vec<_> = owned.iter().map(Owned::event).collect();
        let mut payload = b"before".to_vec();
        encode(timestamp, rank, &events, &mut payload);
        let batch = read(payload.strip_prefix(b"before").expect("what was there stays"));
        prop_assert_eq!((batch.timestamp(), batch.rank(), batch.unknown()), (timestamp, rank, 0));
        prop_assert_eq!(batch.events().collect::<Vec<_>>(), events);
    }

    #[test]
    fn unknown_values_change_nothing(
        values in prop::collection::vec(any_value(), 3),
        keys in prop::collection::vec(any_value(), 3),
        wide in any::<bool>(),
    ) {
        let field = |at: usize| {
            let key = match &keys[at] {
                Text(text) => Text(format!("not_{text}")),
                other => other.clone(),
            };
            (key, values[at].clone())
        };
        let removed = Map(vec![
            (text("type"), text("BlockRemoved")),
            field(0),
            (text("block_hashes"), list(&[7], Uint)),
            field(1),
        ]);
        let unknown = Array(vec![text("Moved"), values[2].clone()]);
        let cleared = Array(vec![text("AllBlocksCleared"), values[1].clone(), values[0].clone()]);
        let batch = Array(vec![Int(1), Array(vec![removed, unknown, cleared]), Nil, values[0].clone()]);
        let batch = read(&pack(&batch, wide));
        let expected = [Event::Removed { layer: Layer::MAIN, names: &[BlockHash(7)] }, Event::Cleared];
        prop_assert_eq!(batch.events().collect::<Vec<_>>(), expected);
        prop_assert_eq!(batch.unknown(), 1);
    }

    #[test]
    fn broken_bytes_never_panic(
        message in 0..11_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = match messages().get_mut(message) {
            Some(frames) => frames.pop().expect("a payload"),
            None => by_place(),
        };
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let mut batch = EventBatch::new();
        match batch.read(&payload) {
            Ok(()) => batch.events().for_each(|event| drop(format!("{event:?}"))),
            Err(error) => {
                prop_assert!(error.offset() <= payload.len());
                prop_assert_eq!(batch.events().count(), 0);
            }
        }
    }
}
