//! The status as data.

#![cfg(feature = "serde")]

mod small;

use phalanx_serving::Status;
use small::{Cluster, flat};

#[test]
fn a_status_is_read_as_it_is_written() {
    let mut cluster = Cluster::settled(flat(2));
    for _ in 0..2 {
        cluster.fail("chat-1-decode-0-0");
        cluster.settle();
    }
    let status = cluster.status.expect("written");
    let text = serde_json::to_string(&status).expect("it is data");
    assert!(text.contains(r#""setbacks":{"1/decode/0":{"failures":2,"#), "{text}");
    assert!(text.contains(r#""observedGeneration":1"#), "{text}");
    assert_eq!(serde_json::from_str::<Status>(&text).expect("it was written"), status);
    assert_eq!(serde_json::from_str::<Status>("{}").expect("all may be missing"), Status::default());
}
