//! Events on real sockets: a publisher, whoever follows it, and what goes wrong between them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::wire::{Event, Stored, Tokens, encode};
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher, FleetIndex, RankId};
use phalanx_signals::{EventReport, EventSource, Follower, LinkError, Publisher, PublisherConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An index of one rank, fed by a follower.
#[derive(Clone, Debug)]
struct Held(Arc<Mutex<FleetIndex>>, RankId);

impl Held {
    fn new() -> Self {
        let mut index = FleetIndex::new();
        let rank = index.join();
        Self(Arc::new(Mutex::new(index)), rank)
    }

    fn follow(&self, source: EventSource) -> Follower {
        let (index, rank) = (Arc::clone(&self.0), self.1);
        Follower::start(source, BlockSize::new(2).expect("in range"), 7, move |change| {
            index.lock().expect("no panic").apply(rank, change).expect("the rank is there")
        })
    }

    fn blocks(&self) -> u32 {
        self.0.lock().expect("no panic").blocks_of(self.1)
    }
}

/// A batch that stores one block of two tokens at the beginning of a prompt.
fn stored(token: u32) -> Vec<u8> {
    let tokens = [token, token];
    let names = ChainHasher::new(BlockSize::new(2).expect("in range")).hash_tokens(&tokens);
    let mut payload = Vec::new();
    encode(1.0, None, &[Event::Stored(Stored::new(&names, Tokens::Ids(&tokens), 2))], &mut payload);
    payload
}

async fn bind(address: &str) -> TcpListener {
    TcpListener::bind(address).await.expect("a free port")
}

async fn publisher(topic: &str) -> Publisher {
    publisher_at(topic, "127.0.0.1:0", "127.0.0.1:0").await
}

async fn publisher_at(topic: &str, events: &str, replays: &str) -> Publisher {
    let config = PublisherConfig::new().with_topic(topic);
    Publisher::start(&config, bind(events).await, Some(bind(replays).await)).expect("bound")
}

fn source(publisher: &Publisher) -> EventSource {
    let replay = publisher.replay_address().expect("it has one");
    EventSource::new(publisher.address().into()).with_replay(replay.into())
}

async fn until(follower: &Follower, wanted: impl FnMut(&EventReport) -> bool) -> EventReport {
    let waiting = follower.watch().wait_for(wanted);
    match tokio::time::timeout(Duration::from_secs(20), waiting).await {
        Ok(report) => report.expect("it runs"),
        Err(_) => panic!("never: {:?}", follower.watch().report()),
    }
}

fn whole(batches: u64) -> impl FnMut(&EventReport) -> bool {
    move |report| report.connected && report.standing == Standing::Whole && report.batches == batches
}

#[tokio::test]
async fn what_was_published_before_is_replayed_and_what_comes_later_follows() {
    let publisher = publisher("kv@here@tiny").await;
    publisher.publish(stored(1));
    publisher.publish(stored(2));
    let held = Held::new();
    let follower = held.follow(source(&publisher).with_topic("kv@here"));
    until(&follower, whole(2)).await;
    assert_eq!(held.blocks(), 2);
    publisher.publish(stored(3));
    let report = until(&follower, whole(3)).await;
    assert_eq!((held.blocks(), report.dropped, report.unreadable, report.failures), (3, 0, 0, 0));
    assert_eq!(report.applied.stored, 3);
}

#[tokio::test]
async fn a_gap_is_filled_by_a_replay() {
    let publisher = publisher("").await;
    let held = Held::new();
    let follower = held.follow(source(&publisher));
    until(&follower, whole(0)).await;
    publisher.publish(stored(1));
    until(&follower, whole(1)).await;
    publisher.lose(stored(2));
    publisher.publish(stored(3));
    let report = until(&follower, whole(3)).await;
    assert_eq!((held.blocks(), report.dropped), (3, 0));
    assert!(report.replays >= 2);
}

#[tokio::test]
async fn what_was_lost_before_a_silence_is_found() {
    let publisher = publisher("").await;
    let held = Held::new();
    let follower = held.follow(source(&publisher).with_silence(Duration::from_millis(20)));
    publisher.publish(stored(1));
    until(&follower, whole(1)).await;
    publisher.lose(stored(2));
    until(&follower, whole(2)).await;
    assert_eq!(held.blocks(), 2);
}

#[tokio::test]
async fn an_engine_that_restarts_is_learned_anew() {
    let first = publisher("").await;
    let (events, replays) = (first.address().to_string(), first.replay_address().expect("one").to_string());
    for token in 1..5 {
        first.publish(stored(token));
    }
    let held = Held::new();
    let follower = held.follow(source(&first));
    until(&follower, whole(4)).await;
    drop(first);
    until(&follower, |report| !report.connected).await;
    let second = publisher_at("", &events, &replays).await;
    second.publish(stored(9));
    let report = until(&follower, whole(5)).await;
    assert_eq!(held.blocks(), 1, "of the first process nothing is left");
    assert!(report.dropped >= 1 && report.failures >= 1);
}

#[tokio::test]
async fn an_engine_that_does_not_come_back_holds_nothing() {
    let publisher = publisher("").await;
    publisher.publish(stored(1));
    let held = Held::new();
    let follower = held.follow(source(&publisher).with_patience(Duration::from_millis(50)));
    until(&follower, whole(1)).await;
    drop(publisher);
    let report = until(&follower, |report| report.dropped > 0).await;
    assert_eq!((held.blocks(), report.standing), (0, Standing::Partial));
}

#[tokio::test]
async fn without_a_replay_socket_a_gap_costs_all_entries() {
    let config = PublisherConfig::new();
    let publisher = Publisher::start(&config, bind("127.0.0.1:0").await, None).expect("bound");
    let held = Held::new();
    let follower = held.follow(EventSource::new(publisher.address().into()));
    // Whether the subscription has arrived, only a batch that comes tells.
    let mut token = 0;
    while follower.watch().report().batches == 0 {
        token += 1;
        publisher.publish(stored(token));
        tokio::task::yield_now().await;
    }
    publisher.lose(stored(90_000));
    publisher.publish(stored(90_001));
    let last = until(&follower, |report| report.dropped > 1).await;
    assert_eq!((held.blocks(), last.standing), (1, Standing::Partial));
}

#[tokio::test]
async fn another_model_at_the_same_address_is_not_taken_for_the_one_that_was_there() {
    let publisher = publisher("kv@10.0.0.1@other").await;
    publisher.publish(stored(1));
    let held = Held::new();
    let follower = held.follow(source(&publisher).with_topic("kv@10.0.0.1@tiny"));
    let report = until(&follower, |report| report.failure.is_some()).await;
    assert_eq!((held.blocks(), report.batches, report.failure), (0, 0, Some(LinkError::Message)));
}

#[tokio::test]
async fn blocks_of_another_size_and_broken_batches_are_counted() {
    let publisher = publisher("").await;
    let mut other = Vec::new();
    encode(1.0, None, &[Event::Stored(Stored::new(&[BlockHash(1)], Tokens::Ids(&[0; 3]), 3))], &mut other);
    publisher.publish(other);
    publisher.publish(stored(1));
    let held = Held::new();
    let follower = held.follow(source(&publisher));
    until(&follower, |report| report.batches == 2 && report.unreadable == 1).await;
    assert_eq!(held.blocks(), 1);
    publisher.publish(b"garbage".to_vec());
    let report = until(&follower, |report| report.unreadable == 2).await;
    assert_eq!((held.blocks(), report.standing), (0, Standing::Partial));
}

/// What a server that is no publisher says to whoever comes.
async fn says(bytes: Vec<u8>) -> SocketAddr {
    let listener = bind("127.0.0.1:0").await;
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let _ = stream.write_all(&bytes).await;
                while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn whoever_speaks_something_else_is_told_apart() {
    let greeting = |mechanism: &[u8]| {
        let mut bytes = vec![0; 64];
        (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
        bytes[12..12 + mechanism.len()].copy_from_slice(mechanism);
        bytes
    };
    let ready = |kind: &[u8]| [&[4, 25], b"\x05READY\x0bSocket-Type\0\0\0\x03".as_slice(), kind].concat();
    let endless = [&[2_u8][..], &[0xff; 8]].concat();
    let large = LinkError::TooLarge { limit: 64 << 20, frames: 16 };
    let http = [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[b' '; 64]].concat();
    let cases = [
        (http, LinkError::Greeting),
        (greeting(b"CURVE"), LinkError::Mechanism("CURVE".to_owned())),
        ([greeting(b"NULL"), ready(b"SUB")].concat(), LinkError::Kind { found: "SUB".to_owned(), expected: "PUB" }),
        ([greeting(b"NULL"), b"\x04\x09\x05ERROR\x02no".to_vec()].concat(), LinkError::Refused("no".to_owned())),
        ([greeting(b"NULL"), ready(b"PUB"), endless].concat(), large),
    ];
    for (bytes, expected) in cases {
        let follower = Held::new().follow(EventSource::new(says(bytes).await.into()));
        let report = until(&follower, |report| report.failure.is_some()).await;
        assert_eq!(report.failure, Some(expected));
    }
}

#[tokio::test]
async fn a_publisher_that_falls_silent_is_left() {
    let mut bytes = vec![0; 64];
    (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
    bytes[12..16].copy_from_slice(b"NULL");
    bytes.extend_from_slice(b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB");
    let source = EventSource::new(says(bytes).await.into()).with_silence(Duration::from_millis(20));
    let follower = Held::new().follow(source);
    let report = until(&follower, |report| report.failures > 0).await;
    assert_eq!(report.failure, Some(LinkError::Silent));
}
