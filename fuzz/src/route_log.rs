//! Any text as a log of decisions.

use phalanx_routing::{Log, Policy};

/// Reads the bytes as a log. If they are none, the error has a line that is in them. If they are one, it is written and
/// read as the same again, and replayed, by its own policies and by others: both come to the same end, and a second replay
/// to the same report.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').count();
    let log = match Log::read(data) {
        Ok(log) => log,
        Err(error) => {
            assert!((1..=lines).contains(&error.line()) && !error.to_string().is_empty(), "{error}");
            return;
        }
    };
    let again = log.to_string();
    let again = Log::read(again.as_bytes()).expect("as it was written");
    assert_eq!((again.decisions(), again.to_string()), (log.decisions(), log.to_string()));
    let report = log.replay();
    assert_eq!(log.replay(), report, "the same log, the same report");
    let other = log.replay_with(|number, policy| if number == 0 { Policy::least_request() } else { policy.clone() });
    match (report, other) {
        (Ok(report), Ok(other)) => {
            assert_eq!((report.decisions, other.decisions), (log.decisions(), log.decisions()));
            assert_eq!((report.refused, report.left_out), (other.refused, other.left_out));
            assert!(report.differences.iter().all(|difference| (2..=lines).contains(&difference.line)));
            assert!(report.by_factor().len() <= report.differences.len() && report.draws() <= report.differences.len());
        }
        (Err(error), Err(other)) => {
            assert_eq!(error, other, "what goes together does so under any policy");
            assert!((2..=lines).contains(&error.line()), "{error}");
        }
        // A pair policy over pools that cannot have one is none under others either, but it is not told of them.
        (Err(_), Ok(_)) if data.windows(11).any(|part| part == b"\"do\":\"pair\"") => {}
        (report, other) => panic!("{report:?}, but {other:?}"),
    }
}
