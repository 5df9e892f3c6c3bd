//! Ten messages of vLLM 0.32.0.

use phalanx_kvcache::wire::{AttentionKind, Event, Extra, ExtraKey, Message, Stored, Tokens, encode};
use phalanx_kvcache::{BlockHash, Layer};

use super::{messages, names, read, unhex};

/// The stored events of a batch.
fn stored<'a>(events: &[Event<'a>]) -> Vec<Stored<'a>> {
    events.iter().filter_map(|event| if let Event::Stored(stored) = event { Some(*stored) } else { None }).collect()
}

#[test]
fn every_message_is_understood() {
    // Number, removals, then whether all is cleared and the blocks of the stored event.
    let expected = [
        (0, 0, 0, 5),
        (1, 0, 0, 1),
        (2, 0, 0, 1),
        (0, 0, 0, 10),
        (1, 0, 0, 10),
        (2, 0, 0, 10),
        (3, 2, 0, 10),
        (4, 10, 0, 10),
        (5, 1, 0, 1),
        (6, 0, 1, 1),
    ];
    let messages = messages();
    assert_eq!(messages.len(), expected.len());
    for (frames, (number, removals, clears, blocks)) in messages.iter().zip(expected) {
        let Message::Batch { topic, seq, payload } = Message::from_frames(frames).expect("a message") else {
            panic!("a batch");
        };
        assert_eq!((topic, seq), (&b"kv@127.0.0.1:18100@tiny"[..], number));
        let batch = read(payload);
        assert_eq!((batch.rank(), batch.unknown()), (Some(0), 0));
        assert!(batch.timestamp() > 1.79e9);
        let events: Vec<_> = batch.events().collect();
        let removed = events.iter().filter(|event| matches!(event, Event::Removed { .. })).count();
        let cleared = events.iter().filter(|event| **event == Event::Cleared).count();
        assert_eq!((removed, cleared), (removals, clears), "message {number}");
        for event in &events {
            if let Event::Removed { layer, names } = event {
                assert_eq!((*layer, names.len()), (Layer::MAIN, 1), "vLLM removes one block at a time");
            }
        }
        let [stored] = stored(&events)[..] else { panic!("one stored event") };
        assert_eq!((stored.names.len(), stored.tokens.len(), stored.block_size), (blocks, blocks * 32, 32));
        assert_eq!((stored.layer, stored.kind), (Layer::MAIN, Some(AttentionKind::Full)));
        assert_eq!((stored.lora_id, stored.lora_name, stored.cache_salt), (None, None, None));
        let salted = [Extra { block: 0, key: ExtraKey::Text("tenantA".to_owned()) }];
        let first_engine = messages.iter().position(|other| other == frames).is_some_and(|at| at < 3);
        assert_eq!(stored.extras, if number == 5 && !first_engine { &salted[..] } else { &[] });
    }
}

#[test]
fn parents_chain_the_messages_of_an_engine() {
    let messages = messages();
    let batches: Vec<_> = messages[..3].iter().map(|frames| read(frames.last().expect("a payload"))).collect();
    let first: Vec<_> = batches.iter().map(|batch| stored(&batch.events().collect::<Vec<_>>())[0].parent).collect();
    let Some(Event::Stored(root)) = batches[0].events().next() else { panic!("a stored event") };
    assert_eq!(first, [None, root.names.last().copied(), root.names.last().copied()]);
    assert_eq!(root.names[0], BlockHash(0xcd5f_9171_f884_7f3a));
    let Tokens::Ids(ids) = root.tokens else { panic!("token ids") };
    assert_eq!(ids[..4], [0x33, 0x47, 0x44, 220]);
}

#[test]
fn written_again_they_are_the_same_bytes() {
    for frames in messages() {
        let payload = frames.last().expect("a payload");
        let batch = read(payload);
        let mut again = Vec::new();
        encode(batch.timestamp(), batch.rank(), &batch.events().collect::<Vec<_>>(), &mut again);
        assert_eq!(&again, payload);
    }
}

#[test]
fn a_sample_of_the_serializer() {
    let payload = unhex(
        "93cb3ff80000000000009284a474797065ac426c6f636b52656d6f766564ac626c6f636b5f6861736865739201cf8000000000000005\
         a66d656469756da3475055a967726f75705f6964780081a474797065b0416c6c426c6f636b73436c656172656400",
    );
    let batch = read(&payload);
    assert_eq!((batch.timestamp(), batch.rank()), (1.5, Some(0)));
    let gone = names(&[1, (1 << 63) + 5]);
    let expected = [Event::Removed { layer: Layer::MAIN, names: &gone }, Event::Cleared];
    assert_eq!(batch.events().collect::<Vec<_>>(), expected);
    let mut again = Vec::new();
    encode(1.5, Some(0), &expected, &mut again);
    assert_eq!(again, payload);
}
