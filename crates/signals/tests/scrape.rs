//! Metrics on real sockets: engines that tell, and engines that do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use phalanx_signals::{MetricsSource, ScrapeError, ScrapeReport, Scraper, ScraperConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Answers each request with the next of these, and the last one for ever.
async fn engine(answers: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let turn = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answers, turn) = (answers.clone(), Arc::clone(&turn));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|count| count > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        let turn = turn.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
                        let _ = stream.write_all(answers[turn].as_bytes()).await;
                        head.clear();
                    }
                }
            });
        }
    });
    address
}

fn page(status: &str, text: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

fn waiting(number: u32) -> String {
    page("200 OK", &format!("vllm:num_requests_waiting {number}\n"))
}

fn often(address: SocketAddr) -> MetricsSource {
    MetricsSource::new(address).with_interval(Duration::from_millis(10))
}

async fn until(scraper: &Scraper, source: usize, wanted: impl FnMut(&ScrapeReport) -> bool) -> ScrapeReport {
    let waiting = scraper.watch(source).expect("a source").wait_for(wanted);
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("it runs")
}

#[tokio::test]
async fn readings_come_again_and_again_each_with_its_time() {
    let (sender, mut readings) = mpsc::unbounded_channel();
    let sources = vec![often(engine(vec![waiting(1), waiting(2)]).await), often(engine(vec![waiting(7)]).await)];
    let scraper = Scraper::start(&ScraperConfig::new(), sources, Instant::now(), move |source, signals, _| {
        let _ = sender.send((source, signals));
    });
    let mut seen = [Vec::new(), Vec::new()];
    while seen.iter().any(|readings| readings.len() < 3) {
        let (source, signals) = readings.recv().await.expect("it runs");
        seen[source].push(signals);
    }
    let numbers = |source: usize| seen[source].iter().take(3).map(|signals| signals.waiting).collect::<Vec<_>>();
    assert_eq!(numbers(0), [Some(1), Some(2), Some(2)]);
    assert_eq!(numbers(1), [Some(7); 3]);
    assert!(seen.iter().all(|readings| readings.windows(2).all(|two| two[0].read < two[1].read)));
    assert_eq!(until(&scraper, 0, |report| report.pages >= 3).await.failures, 0);
}

#[tokio::test]
async fn what_fails_is_no_reading_and_the_last_one_stays() {
    let readings = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&readings);
    let answers = vec![waiting(5), page("503 Service Unavailable", "vllm:num_requests_waiting 0\n")];
    let sources = vec![often(engine(answers).await)];
    let scraper = Scraper::start(&ScraperConfig::new(), sources, Instant::now(), move |_, signals, _| {
        kept.lock().expect("no panic").push(signals.waiting);
    });
    let report = until(&scraper, 0, |report| report.failures >= 2).await;
    assert_eq!((report.pages, report.failure), (1, Some(ScrapeError::Status(503))));
    assert_eq!(report.signals.and_then(|signals| signals.waiting), Some(5));
    assert_eq!(*readings.lock().expect("no panic"), [Some(5)]);
}

#[tokio::test]
async fn each_failure_has_its_name() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = nobody.local_addr().expect("bound");
    let cases = [
        (often(engine(vec![page("200 OK", "up 1\n")]).await), ScrapeError::Unknown),
        (often(engine(vec![page("200 OK", &"# much\n".repeat(1000))]).await), ScrapeError::TooLarge(4096)),
        (often(engine(vec!["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nv".to_owned()]).await), ScrapeError::Slow),
        (often(engine(vec!["garbage\r\n\r\n".to_owned()]).await), ScrapeError::Unreachable),
        (often(address).with_path(" "), ScrapeError::Path),
        // It accepts, as far as the kernel goes, and says nothing.
        (often(address), ScrapeError::Slow),
    ];
    let (sources, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let config = ScraperConfig::new().with_timeout(Duration::from_millis(100)).with_max_page(4096);
    let scraper = Scraper::start(&config, sources, Instant::now(), |_, _, _| panic!("no reading"));
    for (source, expected) in expected.into_iter().enumerate() {
        let report = until(&scraper, source, |report| report.failures > 0).await;
        assert_eq!(report.failure, Some(expected), "{source}");
    }
    drop(nobody);
    until(&scraper, 5, |report| report.failure == Some(ScrapeError::Unreachable)).await;
}
