mod reference;

use std::collections::BTreeMap;

use phalanx_kvcache::{BlockHash, BlockSize, CacheEvent, ChainHasher, Change, FleetIndex, Overlap, Pool};
use proptest::prelude::*;

use super::*;
use crate::{EventKind, RequestId, StepTime};

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// Blocks of 4 tokens, `blocks` of them, 8 tokens a step, 3 seats; a step takes 10 ms and 1 ms a prompt token.
fn small(blocks: u32) -> EngineConfig {
    let step = StepTime::new(us(10_000), us(1000), us(0), us(0)).expect("valid prices");
    EngineConfig::a100_8b()
        .with_block_size(BlockSize::new(4).expect("a valid size"))
        .with_kv_tokens(blocks * 4)
        .and_then(|config| config.with_batch(8, 3))
        .expect("a valid configuration")
        .with_step_time(step)
}

/// A prompt of `tokens` tokens; those with equal `prompt` begin alike.
fn request(id: u64, prompt: u64, tokens: u32, output_tokens: u32) -> Request {
    let ids: Vec<u64> = (0..u64::from(tokens / 4)).map(|i| prompt * 100 + i).collect();
    let blocks = ChainHasher::chain_ids(&ids);
    Request { id: RequestId(id), blocks, prompt_tokens: tokens, output_tokens, transferred: false }
}

/// Advances at each timeout until nothing is left to do.
fn finish(engine: &mut Engine) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(at) = engine.next_timeout() {
        engine.advance(at, &mut events);
    }
    events
}

/// One line an event: `ms id what`.
fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| {
        let what = match &event.kind {
            EventKind::FirstToken { id, cached_tokens } => format!("{id} first, {cached_tokens} cached"),
            EventKind::Token { id, index } => format!("{id} token {index}"),
            EventKind::Finished { id, output_tokens, .. } => format!("{id} finished, {output_tokens}"),
            EventKind::Cache(CacheEvent::Stored { parent, blocks }) => {
                format!("stored {} after {}", blocks.len(), parent.map_or("nothing", |_| "a parent"))
            }
            EventKind::Cache(other) => format!("{other:?}"),
        };
        format!("{} {what}", event.at.as_micros() / 1000)
    };
    events.iter().map(line).collect()
}

fn check(config: EngineConfig, requests: Vec<(u64, Request)>, expected: &[&str]) -> Counters {
    let mut engine = Engine::new(config);
    for (at, request) in requests {
        engine.submit(request, Duration::from_millis(at)).expect("a valid request");
    }
    assert_eq!(lines(&finish(&mut engine)), expected);
    assert_eq!((engine.load().running, engine.load().waiting, engine.load().kv_used_blocks), (0, 0, 0));
    engine.stats()
}

#[test]
fn a_long_prompt_is_computed_in_chunks_beside_the_decodes() {
    // Request 1 decodes at 12, 29 (beside 7 tokens of prompt), 46, 57 (the last one): 2 has 15 tokens in 7, 7 and 1.
    let requests = vec![(0, request(1, 1, 2, 5)), (1, request(2, 2, 15, 2))];
    let expected = ["12 1 first, 0 cached", "57 2 first, 0 cached", "67 1 finished, 5", "67 2 finished, 2"];
    check(small(20), requests, &expected);
}

#[test]
fn tokens_are_told_when_asked_for() {
    let expected = ["12 1 first, 0 cached", "12 1 token 0", "22 1 token 1", "32 1 token 2", "32 1 finished, 3"];
    let stats = check(small(20).report_tokens(true), vec![(0, request(1, 1, 2, 3))], &expected);
    assert_eq!((stats.steps, stats.generated_tokens, stats.prompt_tokens), (3, 3, 2));
}

#[test]
fn a_request_that_arrives_within_a_stretch_joins_the_next_step() {
    // 1 alone ends decodes at 22, 32, 42, ...; at 37 request 2 arrives and is computed from 42 to 54.
    let requests = vec![(0, request(1, 1, 2, 100)), (37, request(2, 2, 2, 1))];
    let mut engine = Engine::new(small(40));
    for (at, request) in requests {
        engine.submit(request, Duration::from_millis(at)).expect("a valid request");
    }
    let events = finish(&mut engine);
    assert_eq!(lines(&events)[1..3], ["54 2 first, 0 cached", "54 2 finished, 1"]);
}

#[test]
fn what_arrives_as_a_step_begins_is_in_it() {
    // The step of 42 has not begun while the caller has not advanced to 42.
    let mut engine = Engine::new(small(40));
    engine.submit(request(1, 1, 2, 100), us(0)).expect("a valid request");
    engine.advance(us(41_999), &mut Vec::new());
    engine.submit(request(2, 2, 2, 1), us(42_000)).expect("a valid request");
    engine.submit(request(3, 3, 1, 1), us(42_000)).expect("a valid request");
    let events = finish(&mut engine);
    assert_eq!(lines(&events)[0..2], ["55 2 first, 0 cached", "55 2 finished, 1"]);
    assert_eq!(lines(&events)[2..4], ["55 3 first, 0 cached", "55 3 finished, 1"]);
}

#[test]
fn a_cached_prefix_is_not_computed_again() {
    let requests = vec![(0, request(1, 1, 8, 1)), (100, request(2, 1, 11, 1)), (200, request(3, 1, 8, 1))];
    // The third prompt is cached as a whole: its last block is computed all the same.
    let expected = [
        "18 1 first, 0 cached",
        "18 1 finished, 1",
        "113 2 first, 8 cached",
        "113 2 finished, 1",
        "214 3 first, 4 cached",
        "214 3 finished, 1",
    ];
    let stats = check(small(20), requests, &expected);
    assert_eq!((stats.prompt_tokens, stats.cached_tokens, stats.finished), (27, 12, 3));
}

#[test]
fn a_block_can_be_matched_once_it_is_computed() {
    let requests = vec![(0, request(1, 1, 8, 1)), (0, request(2, 1, 8, 1))];
    let expected = ["18 1 first, 0 cached", "18 1 finished, 1", "32 2 first, 4 cached", "32 2 finished, 1"];
    check(small(20), requests, &expected);
}

#[test]
fn a_transferred_prompt_costs_one_token() {
    let transferred = Request { transferred: true, ..request(1, 1, 100, 1) };
    let stats = check(small(40), vec![(0, transferred)], &["11 1 first, 0 cached", "11 1 finished, 1"]);
    assert_eq!((stats.transferred_tokens, stats.cached_tokens), (99, 0));
}

#[test]
fn the_cache_is_told_of_in_order() {
    let config = small(4).report_cache(true);
    let requests = vec![(0, request(1, 1, 9, 2)), (100, request(2, 2, 15, 1))];
    let mut engine = Engine::new(config);
    for (at, request) in requests {
        engine.submit(request, Duration::from_millis(at)).expect("a valid request");
    }
    let events = finish(&mut engine);
    let first = ChainHasher::chain_ids(&[100, 101]);
    let gone = format!("100 {:?}", CacheEvent::Removed { blocks: vec![first[1], first[0]] });
    let expected = [
        "18 stored 2 after nothing",
        "29 1 first, 0 cached",
        "39 1 finished, 2",
        &gone,
        "118 stored 2 after nothing",
        "135 2 first, 0 cached",
        "135 2 finished, 1",
        "135 stored 1 after a parent",
    ];
    assert_eq!(lines(&events), expected);
}

#[test]
fn the_last_admitted_is_preempted_when_memory_runs_out_and_computed_anew() {
    // Four blocks: each prompt takes two, so the fifth token of the first answer finds none.
    let requests = vec![(0, request(1, 1, 5, 6)), (0, request(2, 2, 5, 6))];
    let mut engine = Engine::new(small(4).report_tokens(true));
    for (at, request) in requests {
        engine.submit(request, Duration::from_millis(at)).expect("a valid request");
    }
    let events = finish(&mut engine);
    let stats = engine.stats();
    assert_eq!((stats.preemptions, stats.finished, stats.generated_tokens), (1, 2, 12));
    for id in [1, 2] {
        let tokens = events.iter().filter_map(|event| match event.kind {
            EventKind::Token { id: of, index } if of == RequestId(id) => Some(index),
            _ => None,
        });
        assert_eq!(tokens.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5], "no token comes twice");
    }
}

#[test]
fn there_are_no_more_runners_than_seats() {
    let mut engine = Engine::new(small(40));
    for id in 0..5 {
        engine.submit(request(id, id, 1, 9), us(0)).expect("a valid request");
    }
    engine.advance(us(0), &mut Vec::new());
    assert_eq!((engine.load().running, engine.load().waiting), (3, 2));
    assert!(engine.cancel(RequestId(0), us(1)) && engine.cancel(RequestId(4), us(1)));
    assert_eq!((engine.load().running, engine.load().waiting), (2, 1));
    let ends = finish(&mut engine).iter().filter(|event| matches!(event.kind, EventKind::Finished { .. })).count();
    assert_eq!((ends, engine.stats().cancelled), (3, 2));
}

#[test]
fn impossible_requests_are_refused_by_name() {
    let mut engine = Engine::new(small(4));
    let mut refuse = |request| engine.submit(request, us(0)).expect_err("impossible").to_string();
    assert_eq!(refuse(request(1, 1, 10, 7)), "prompt and answer need 17 tokens of KV memory, the engine has 16");
    assert_eq!(
        refuse(request(1, 1, 0, 7)),
        "request 1 has 0 prompt tokens and asks for 7: expected at least 1 of each"
    );
    let blocks = vec![BlockHash(1); 2];
    assert_eq!(refuse(Request { blocks, ..request(1, 1, 7, 1) }), "request 1 names 2 blocks, its prompt fills 1");
    assert_eq!(engine.next_timeout(), None);
}

#[derive(Clone, Debug)]
enum Op {
    Submit { prompt: u64, tokens: u32, output: u32, transferred: bool },
    Cancel { id: u64 },
}

fn script() -> impl Strategy<Value = Vec<(u64, Op)>> {
    let op = prop_oneof![
        5 => (0u64..4, 1u32..30, 1u32..30, any::<bool>())
            .prop_map(|(prompt, tokens, output, transferred)| Op::Submit { prompt, tokens, output, transferred }),
        1 => (0u64..30).prop_map(|id| Op::Cancel { id }),
    ];
    // Whole milliseconds make arrivals at the very end of a step likely.
    prop::collection::vec((prop_oneof![Just(0), 0u64..150], op), 1..30)
}

/// What a driver saw: events, and the load after each operation.
type Seen = (Vec<Event>, Vec<(bool, Load)>, Counters);

/// Runs a script; before each operation the engine is advanced to every timeout before it, if `eager`.
fn drive(config: &EngineConfig, script: &[(u64, Op)], eager: bool) -> Seen {
    let mut engine = Engine::new(config.clone());
    let (mut events, mut seen, mut now) = (Vec::new(), Vec::new(), Duration::ZERO);
    for (id, (gap, op)) in (0..).zip(script) {
        now += Duration::from_millis(*gap);
        while eager && let Some(at) = engine.next_timeout().filter(|&at| at < now) {
            engine.advance(at, &mut events);
            let load = engine.load();
            assert!(load.running <= 3 && load.kv_used_blocks <= load.kv_blocks);
        }
        let taken = match *op {
            Op::Submit { prompt, tokens, output, transferred } => {
                let request = Request { transferred, ..request(id, prompt, tokens, output) };
                engine.submit(request, now).is_ok()
            }
            Op::Cancel { id } => engine.cancel(RequestId(id), now),
        };
        seen.push((taken, engine.load()));
    }
    if eager {
        events.extend(finish(&mut engine));
    } else {
        engine.advance(Duration::from_secs(1_000_000), &mut events);
    }
    assert_eq!(engine.next_timeout(), None);
    let Load { waiting, running, kv_used_blocks, .. } = engine.load();
    assert_eq!((waiting, running, kv_used_blocks), (0, 0, 0));
    (events, seen, engine.stats())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn one_jump_and_every_timeout_give_the_same_bytes(blocks in 8u32..24, script in script()) {
        let config = small(blocks).report_cache(true);
        prop_assert_eq!(drive(&config, &script, true), drive(&config, &script, false));
    }

    #[test]
    fn the_engine_does_what_a_literal_one_does(blocks in 8u32..24, script in script()) {
        let config = small(blocks).report_cache(true).report_tokens(true).with_step_time(StepTime::A100_8B);
        let (events, _, stats) = drive(&config, &script, true);
        prop_assert_eq!((events, stats.preemptions), reference::events(&config, &script));
    }

    #[test]
    fn stretches_are_their_steps_one_by_one(blocks in 8u32..24, script in script()) {
        let config = small(blocks).report_cache(true).with_step_time(StepTime::A100_8B);
        let stretched = drive(&config, &script, true);
        let (mut events, loads, stats) = drive(&config.report_tokens(true), &script, true);
        events.retain(|event| !matches!(event.kind, EventKind::Token { .. }));
        prop_assert_eq!(stretched, (events, loads, stats));
    }

    #[test]
    fn every_request_that_is_taken_and_not_cancelled_is_answered_once(blocks in 8u32..24, script in script()) {
        let config = small(blocks).report_tokens(true);
        let (events, seen, stats) = drive(&config, &script, true);
        let mut tokens: BTreeMap<RequestId, u32> = BTreeMap::new();
        let mut firsts = 0;
        let mut finished = 0;
        let mut before = Duration::ZERO;
        for event in events {
            prop_assert!(before <= event.at);
            before = event.at;
            match event.kind {
                EventKind::Token { id, index } => {
                    let next = tokens.entry(id).or_default();
                    prop_assert_eq!(index, *next);
                    *next += 1;
                }
                EventKind::FirstToken { id, .. } => {
                    prop_assert_eq!(tokens.get(&id), None);
                    firsts += 1;
                }
                EventKind::Finished { id, output_tokens, .. } => {
                    prop_assert_eq!(tokens[&id], output_tokens);
                    finished += 1;
                }
                EventKind::Cache(_) => prop_assert!(false, "not asked for"),
            }
        }
        let taken = seen.iter().zip(&script).filter(|((taken, _), (_, op))| *taken && matches!(op, Op::Submit { .. }));
        prop_assert_eq!(taken.count() as u64, finished + stats.cancelled);
        prop_assert_eq!(stats.finished, finished);
        prop_assert!(firsts >= finished);
        prop_assert_eq!(stats.generated_tokens, tokens.values().map(|&n| u64::from(n)).sum::<u64>());
    }

    #[test]
    fn an_index_fed_by_an_engine_never_claims_more_than_it_finds(blocks in 8u32..24, script in script()) {
        // The last request asks for a prompt that the index knows: the engine must have cached what the index says.
        let config = small(blocks).report_cache(true);
        let (events, ..) = drive(&config, &script, true);
        let mut index = FleetIndex::new();
        let rank = index.join();
        let cache = events.iter().filter_map(|event| match &event.kind {
            EventKind::Cache(event) => Some(event),
            _ => None,
        });
        for event in cache {
            let applied = index.apply(rank, Change::from(event)).expect("the rank has joined");
            prop_assert_eq!((applied.unplaced, applied.left_out), (0, 0));
        }
        prop_assert!(index.pairs() <= u64::from(blocks));
        for prompt in 0..4 {
            let asked = request(1000, prompt, 29, 1);
            let mut overlap = Overlap::new();
            index.overlap(&asked.blocks, &mut overlap);
            let mut again = script.clone();
            again.push((1_000_000, Op::Submit { prompt, tokens: 29, output: 1, transferred: false }));
            let cached = drive(&config, &again, false).0.iter().rev().find_map(|event| match event.kind {
                EventKind::Finished { cached_tokens, .. } => Some(cached_tokens),
                _ => None,
            });
            if blocks * 4 >= 30 {
                prop_assert_eq!(cached, Some(overlap.blocks_of(rank) * 4));
            }
        }
    }
}
