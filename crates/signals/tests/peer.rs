//! What an engine's sockets really send, byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::wire::Message;
use phalanx_kvcache::{Applied, BlockSize, FleetIndex};
use phalanx_signals::{EventReport, EventSource, Follower, Publisher, PublisherConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Messages of vLLM 0.32.0: a line is one, its frames in hexadecimal.
const MESSAGES: &str = include_str!("../../kvcache/tests/data/vllm-0.32.txt");

/// The greeting and the READY of a PUB socket of ZMQ 4.3.5, and a heartbeat of it.
const GREETING: &str = "ff00000000000000017f03014e554c4c0000000000000000000000000000000000000000000000000000000000000000\
                        00000000000000000000000000000000";
const READY: &str = "04190552454144590b536f636b65742d5479706500000003505542";
const PING: &str = "04070450494e470000";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}

/// The payloads of the engine with 40 blocks, in order from its first one.
fn payloads() -> Vec<Vec<u8>> {
    let lines = MESSAGES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).skip(3);
    let payload = |(place, line): (usize, &str)| {
        let frames: Vec<_> = line.split_whitespace().map(|frame| unhex(frame.trim_matches('-'))).collect();
        let Ok(Message::Batch { seq, payload, .. }) = Message::from_frames(&frames) else { panic!("a batch: {line}") };
        assert_eq!(seq, place as u64);
        payload.to_vec()
    };
    lines.enumerate().map(payload).collect()
}

async fn until(follower: &Follower, wanted: impl FnMut(&EventReport) -> bool) -> EventReport {
    let waiting = tokio::time::timeout(Duration::from_secs(20), follower.watch().wait_for(wanted)).await;
    waiting.unwrap_or_else(|_| panic!("never: {:?}", follower.watch().report())).expect("it runs")
}

#[tokio::test]
async fn what_an_engine_published_is_followed_to_its_end() {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let config = PublisherConfig::new().with_topic("kv@127.0.0.1:18100@tiny");
    let [events, replays] = [bind().await.expect("a port"), bind().await.expect("a port")];
    let publisher = Publisher::start(&config, events, Some(replays)).expect("bound");
    let replay = publisher.replay_address().expect("one").into();
    let source = EventSource::new(publisher.address().into()).with_replay(replay).with_topic("kv@127.0.0.1:18100@");
    let mut index = FleetIndex::new();
    let rank = index.join();
    let index = Arc::new(Mutex::new(index));
    let fed = Arc::clone(&index);
    let follower = Follower::start(source, BlockSize::new(32).expect("in range"), 7, move |change| {
        fed.lock().expect("no panic").apply(rank, change).expect("the rank is there")
    });
    let payloads = payloads();
    let (last, rest) = payloads.split_last().expect("some");
    // Some before it listens, some lost on the way, some live.
    for (place, payload) in rest.iter().enumerate() {
        if place % 2 == 0 {
            publisher.publish(payload.clone())
        } else {
            publisher.lose(payload.clone())
        };
    }
    publisher.publish(rest[0].clone());
    let wanted = rest.len() as u64 + 1;
    let report = until(&follower, |report| report.batches == wanted && report.standing == Standing::Whole).await;
    assert_eq!((report.dropped, report.unreadable, report.applied.unplaced), (0, 0, 0), "{report:?}");
    assert!(index.lock().expect("no panic").blocks_of(rank) > 0);
    // The cache was emptied, and one block stored.
    publisher.publish(last.clone());
    until(&follower, |report| report.batches == wanted + 1).await;
    assert_eq!(index.lock().expect("no panic").blocks_of(rank), 1);
}

#[tokio::test]
async fn a_socket_of_the_usual_library_is_understood_and_its_heartbeats_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let source = EventSource::new(listener.local_addr().expect("bound").into()).with_topic("kv@");
    let follower = Follower::start(source, BlockSize::new(32).expect("in range"), 7, |_| Applied::default());
    let (mut stream, _) = listener.accept().await.expect("it connects");
    let mut read = async |length: usize| {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.expect("it speaks");
        bytes
    };
    let greeting = read(64).await;
    assert_eq!((greeting[0], greeting[9], greeting[10], &greeting[12..17]), (0xff, 0x7f, 3, &b"NULL\0"[..]));
    assert_eq!(read(27).await, b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB");
    stream.write_all(&unhex(&[GREETING, READY, PING].concat())).await.expect("it listens");
    let mut read = async |length: usize| {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.expect("it speaks");
        bytes
    };
    assert_eq!(read(6).await, b"\0\x04\x01kv@");
    assert_eq!(read(7).await, b"\x04\x05\x04PONG");
    let payload = &payloads()[0];
    let mut message = b"\x01\x04kv@a\x01\x08\0\0\0\0\0\0\0\0\x02".to_vec();
    message.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    message.extend_from_slice(payload);
    // In pieces, as a network has it.
    for piece in message.chunks(100) {
        stream.write_all(piece).await.expect("it listens");
        stream.flush().await.expect("it listens");
    }
    let report = until(&follower, |report| report.batches == 1).await;
    assert_eq!((report.unreadable, report.failures, report.standing), (0, 0, Standing::Whole));
}
