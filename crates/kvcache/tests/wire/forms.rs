//! The forms of older and other engines, written by hand.

use phalanx_kvcache::wire::{AttentionKind, Event, EventBatch, Extra, ExtraKey, Stored, Tokens};
use phalanx_kvcache::{BlockHash, Layer, Tier};

use super::pack::Value::{Array, Bool, Bytes, Ext, Float, Int, Map, Nil, Uint};
use super::pack::{Value, list, map, pack, text};
use super::{names, read};

/// Reads a batch of these events, with short and with long lengths.
fn check(events: &[Value], expected: &[Event<'_>]) {
    let batch = Array(vec![Float(2.5), Array(events.to_vec()), Int(3)]);
    for wide in [false, true] {
        let payload = pack(&batch, wide);
        let batch = read(&payload);
        assert_eq!(batch.events().collect::<Vec<_>>(), expected);
        assert_eq!((batch.timestamp(), batch.rank(), batch.unknown()), (2.5, Some(3), 0));
    }
}

/// An event as an array: its type, then its fields.
fn array(kind: &str, fields: &[Value]) -> Value {
    Array([&[text(kind)], fields].concat())
}

/// The fields that every stored event has: two blocks of two tokens behind block 9.
fn stored_fields() -> Vec<Value> {
    vec![list(&[1, 2], Uint), Uint(9), list(&[5, 6, 7, 8], Uint), Int(2)]
}

const IDS: Tokens<'static> = Tokens::Ids(&[5, 6, 7, 8]);

fn stored(names: &[BlockHash]) -> Stored<'_> {
    let mut stored = Stored::new(names, IDS, 2);
    stored.parent = Some(BlockHash(9));
    stored
}

#[test]
fn arrays_of_each_age() {
    let blocks = names(&[1, 2]);
    let base = stored(&blocks);
    let mut fields = stored_fields();
    check(&[array("BlockStored", &fields)], &[Event::Stored(base)]);

    // 0.9.0: the adapter's number.
    fields.push(Int(4));
    let mut with_lora = base;
    with_lora.lora_id = Some(4);
    check(&[array("BlockStored", &fields)], &[Event::Stored(with_lora)]);

    // 0.11.2: the medium. 0.15.0: the adapter's name.
    fields.extend([text("CPU"), text("adapter")]);
    let mut on_host = with_lora;
    on_host.layer = Layer::new(0, Tier::Cpu);
    on_host.lora_name = Some("adapter");
    check(&[array("BlockStored", &fields)], &[Event::Stored(on_host)]);

    // Extra keys, and the tail.
    fields.push(Array(vec![Nil, Array(vec![Array(vec![text("image"), Int(-3)]), text("salt"), Bytes(vec![7])])]));
    let key = |key| Extra { block: 1, key };
    let object = ExtraKey::Object { identifier: "image".to_owned(), offset: -3 };
    let extras = [key(object), key(ExtraKey::Text("salt".to_owned())), key(ExtraKey::Bytes(vec![7]))];
    let mut full = on_host;
    full.extras = &extras;
    check(&[array("BlockStored", &fields)], &[Event::Stored(full)]);
    fields.extend([Int(1), text("sliding_window"), Int(128), text("REMOTE"), text("us"), text("session"), Bool(true)]);
    full.layer = Layer::new(1, Tier::Remote);
    full.kind = Some(AttentionKind::SlidingWindow);
    full.sliding_window = Some(128);
    full.ownership = Some("us");
    full.session_id = Some("session");
    check(&[array("BlockStored", &fields)], &[Event::Stored(full)]);
}

#[test]
fn fields_of_the_tail_may_be_nil_or_missing_or_have_objects_among_them() {
    let blocks = names(&[1, 2]);
    let mut on_disk = stored(&blocks);
    on_disk.layer = Layer::new(0, Tier::Disk);
    let front = [stored_fields(), vec![Nil, text("STORAGE"), Nil, Nil]].concat();
    type Case<'a> = (&'a [Value], fn(&mut Stored<'_>));
    let tails: &[Case<'_>] = &[
        (&[], |_| {}),
        (&[Nil, Nil, Int(7)], |stored| stored.sliding_window = Some(7)),
        (&[Nil, text("mamba")], |stored| stored.kind = Some(AttentionKind::Mamba)),
        (&[text("mamba"), Int(7)], |stored| {
            stored.kind = Some(AttentionKind::Mamba);
            stored.sliding_window = Some(7);
        }),
        (&[Int(2), text("LOCAL"), text("us")], |stored| {
            stored.layer.group = 2;
            stored.ownership = Some("us");
        }),
        (&[Float(1.0), Map(vec![]), Int(2)], |stored| stored.layer.group = 2),
        (&[Int(2), Nil, Nil, Nil, Nil, Nil, Nil, Int(5)], |stored| stored.layer.group = 2),
    ];
    for (tail, change) in tails {
        let mut expected = on_disk;
        change(&mut expected);
        check(&[array("BlockStored", &[front.as_slice(), tail].concat())], &[Event::Stored(expected)]);
    }
    let object = map(&[("mm_hash", Uint(77)), ("offsets", Array(vec![]))]);
    let infos = Array(vec![Nil, map(&[("mm_objects", Array(vec![object]))])]);
    let extras = [Extra { block: 1, key: ExtraKey::Number(77) }];
    let mut expected = on_disk;
    expected.extras = &extras;
    expected.layer.group = 2;
    check(&[array("BlockStored", &[front, vec![infos, Int(2)]].concat())], &[Event::Stored(expected)]);
}

#[test]
fn objects_of_an_unknown_form_stay_what_they_are() {
    let blocks = names(&[1, 2]);
    let odd = Array(vec![Int(1), text("x")]);
    let event = array("BlockStored", &[stored_fields(), vec![Nil, Nil, Nil, Nil, Array(vec![odd.clone()])]].concat());
    for wide in [false, true] {
        let batch = read(&pack(&Array(vec![Int(0), Array(vec![event.clone()])]), wide));
        let extras = [Extra { block: 0, key: ExtraKey::Other(pack(&odd, wide)) }];
        let mut expected = stored(&blocks);
        expected.extras = &extras;
        assert_eq!(batch.events().next(), Some(Event::Stored(expected)));
    }
}

#[test]
fn text_that_is_no_utf8_is_another_key() {
    let key = b"\xa2\xc3(";
    let payload =
        [b"\x92\x00\x91\x99\xabBlockStored\x91\x01\xc0\x91\x05\x01\xc0\xc0\xc0\x91\x91".as_slice(), key].concat();
    let batch = read(&payload);
    let Some(Event::Stored(stored)) = batch.events().next() else { panic!("a stored event") };
    assert_eq!(stored.extras, [Extra { block: 0, key: ExtraKey::Other(key.to_vec()) }]);
}

#[test]
fn a_map_in_the_place_of_the_adapters_name() {
    let blocks = names(&[1, 2]);
    let mut salted = stored(&blocks);
    salted.cache_salt = Some("tenant");
    salted.lora_name = Some("adapter");
    let tail = map(&[("cache_salt", text("tenant")), ("lora_name", text("adapter")), ("what", Ext(1, vec![2]))]);
    let fields = [stored_fields(), vec![Nil, text("GPU"), tail]].concat();
    check(&[array("BlockStored", &fields)], &[Event::Stored(salted)]);
}

#[test]
fn removals_and_clears_as_arrays() {
    let blocks = names(&[1, u64::MAX]);
    let hashes = Array(vec![Int(1), Int(-1)]);
    let removed = |layer| Event::Removed { layer, names: &blocks };
    let cases: &[(&[Value], Layer)] = &[
        (&[], Layer::MAIN),
        (&[Nil], Layer::MAIN),
        (&[text("GPU")], Layer::MAIN),
        (&[text("CPU_TIER1"), Int(2)], Layer::new(2, Tier::Cpu)),
        (&[text("CPU_TIER2"), Int(2), Nil, Nil, text("LOCAL")], Layer::new(2, Tier::Disk)),
        (&[text("STORAGE"), Int(2), text("REMOTE")], Layer::new(2, Tier::Remote)),
        (&[text("EXTERNAL")], Layer::new(0, Tier::Remote)),
    ];
    for (rest, layer) in cases {
        let event = array("BlockRemoved", &[std::slice::from_ref(&hashes), rest].concat());
        let cleared = array("AllBlocksCleared", &[Nil, text("and more")]);
        check(&[event, cleared], &[removed(*layer), Event::Cleared]);
    }
}

#[test]
fn maps_in_any_order_with_anything_unknown() {
    let blocks = names(&[1, 2]);
    let mut expected = stored(&blocks);
    expected.layer = Layer::new(3, Tier::Remote);
    expected.cache_salt = Some("salt");
    let event = Map(vec![
        (Int(5), Map(vec![(Nil, Nil)])),
        (text("group_idx"), Int(3)),
        (text("locality"), text("REMOTE")),
        (text("ownership"), Array(vec![Bool(true)])),
        (text("token_ids"), list(&[5, 6, 7, 8], Uint)),
        (text("block_size"), Int(2)),
        (text("cache_salt"), text("salt")),
        (text("new_in_1.0"), Ext(-1, vec![1, 2, 3])),
        (text("type"), text("BlockStored")),
        (Array(vec![Float(0.5)]), Bytes(vec![0xff])),
        (text("parent_block_hash"), Uint(9)),
        (text("block_hashes"), list(&[1, 2], Uint)),
    ]);
    check(&[event], &[Event::Stored(expected)]);
}

#[test]
fn digests_and_integers_are_one_identity() {
    let digest: Vec<u8> = (0..32).collect();
    let last = u64::from_be_bytes([24, 25, 26, 27, 28, 29, 30, 31]);
    let signed = 0xb9d5_9c81_6442_112f_u64;
    let hashes = [Bytes(digest.clone()), Bytes(digest[24..].to_vec()), Uint(last), Int(signed as i64), Uint(signed)];
    let blocks = names(&[last, last, last, signed, signed]);
    check(
        &[array("BlockRemoved", &[Array(hashes.to_vec())])],
        &[Event::Removed { layer: Layer::MAIN, names: &blocks }],
    );

    let mut fields = stored_fields();
    fields[1] = Bytes(digest);
    let blocks = names(&[1, 2]);
    let mut expected = stored(&blocks);
    expected.parent = Some(BlockHash(last));
    check(&[array("BlockStored", &fields)], &[Event::Stored(expected)]);
}

#[test]
fn pairs_of_tokens() {
    let mut fields = stored_fields();
    fields[2] = Array(vec![list(&[5, 300], Uint), list(&[300, 7], Uint)]);
    fields[3] = Int(1);
    let blocks = names(&[1, 2]);
    let mut expected = stored(&blocks);
    expected.tokens = Tokens::Bigrams(&[[5, 300], [300, 7]]);
    expected.block_size = 1;
    check(&[array("BlockStored", &fields)], &[Event::Stored(expected)]);
    fields[2] = Array(vec![]);
    expected.tokens = Tokens::Ids(&[]);
    check(&[array("BlockStored", &fields)], &[Event::Stored(expected)]);
}

#[test]
fn batches_of_two_of_more_and_as_maps() {
    let cleared = Array(vec![map(&[("type", text("AllBlocksCleared")), ("more", Nil)])]);
    let cases = [
        (Array(vec![Float(0.5), cleared.clone()]), None),
        (Array(vec![Float(0.5), cleared.clone(), Nil]), None),
        (Array(vec![Float(0.5), cleared.clone(), Int(7), map(&[("more", Nil)]), Nil]), Some(7)),
        (map(&[("ts", Float(0.5)), ("events", cleared.clone())]), None),
        (map(&[("type", Nil), ("events", cleared.clone()), ("attn_dp_rank", Int(7)), ("ts", Float(0.5))]), Some(7)),
        (map(&[("ts", Float(0.5)), ("data_parallel_rank", Int(7)), ("events", cleared.clone())]), Some(7)),
    ];
    for (value, rank) in cases {
        let batch = read(&pack(&value, false));
        assert_eq!((batch.timestamp(), batch.rank()), (0.5, rank));
        assert_eq!(batch.events().collect::<Vec<_>>(), [Event::Cleared]);
    }
    assert_eq!(read(&pack(&Array(vec![Int(-2), Array(vec![])]), false)).timestamp(), -2.0);
}

#[test]
fn what_is_not_known_is_counted_and_changes_nothing() {
    let unknown = [
        array("BlockMoved", &[list(&[1], Uint), map(&[("to", text("GPU"))])]),
        map(&[("block_hashes", text("no list")), ("type", text("BlockMoved"))]),
        map(&[("type", text("BlockMoved")), ("block_hashes", text("no list"))]),
        array("BlockRemoved", &[list(&[1], Uint), text("TAPE")]),
        array("BlockStored", &[stored_fields(), vec![Nil, text("TAPE")]].concat()),
    ];
    let mut events = unknown.to_vec();
    events.push(array("AllBlocksCleared", &[]));
    let batch = read(&pack(&Array(vec![Int(0), Array(events)]), false));
    assert_eq!((batch.events().collect::<Vec<_>>(), batch.unknown()), (vec![Event::Cleared], 5));
}

#[test]
fn a_batch_leaves_nothing_in_the_next() {
    let mut batch = EventBatch::new();
    let event = array("BlockStored", &[stored_fields(), vec![Int(1), Nil, text("adapter")]].concat());
    batch.read(&pack(&Array(vec![Int(1), Array(vec![event.clone(), event]), Int(1)]), false)).expect("a batch");
    assert_eq!(batch.events().count(), 2);
    batch.read(&pack(&Array(vec![Int(0), Array(vec![])]), false)).expect("a batch");
    assert_eq!((batch.events().count(), batch.rank(), batch.timestamp()), (0, None, 0.0));
}
