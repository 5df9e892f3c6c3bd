//! Any bytes as an engine's page of metrics.

use std::time::Duration;

use phalanx_signals::{EngineMetrics, Meter};

/// The longest page that is looked at, in bytes: more only takes longer.
const LONGEST: usize = 1 << 16;

/// Reads the bytes as a page. What it says is within its bounds; comments, blanks and unknown names between the lines
/// change nothing; each line alone is bad or not, and together they are as bad; and a meter takes the page, its first half
/// and nothing in turn, the same each time.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let page = &data[..data.len().min(LONGEST)];
    let metrics = EngineMetrics::read(page);
    assert!(metrics.kv_used_ppm.is_none_or(|ppm| ppm <= 1_000_000), "{metrics:?}");
    assert!(metrics.block_size != Some(0), "{metrics:?}");
    if let Some(adapters) = &metrics.adapters {
        assert!(adapters.running.len() <= 4096 && adapters.waiting.len() <= 4096);
        let names = adapters.running.iter().chain(&adapters.waiting);
        assert!(names.map(String::len).sum::<usize>() <= 2 * page.len());
    }

    let (mut padded, mut bad) = (Vec::new(), 0);
    for line in page.split(|&byte| byte == b'\n') {
        bad += EngineMetrics::read(line).bad_lines;
        padded.extend_from_slice(b"# TYPE a b\n \t");
        padded.extend_from_slice(line);
        padded.extend_from_slice(b"\r\nsomething:else{a=\"}\"} 1\n\n");
    }
    assert_eq!(metrics.bad_lines, bad);
    assert_eq!(EngineMetrics::read(&padded), metrics);

    let (mut meter, mut again) = (Meter::new(), Meter::new());
    let pages = [page, &page[..page.len() / 2], b"", page, page];
    for (page, second) in pages.into_iter().zip(1..) {
        let (metrics, now) = (EngineMetrics::read(page), Duration::from_secs(second));
        let signals = meter.signals(&metrics, now);
        assert_eq!(signals, again.signals(&metrics, now));
        assert_eq!((signals.read, signals.waiting, signals.running), (now, metrics.waiting, metrics.running));
    }
}
