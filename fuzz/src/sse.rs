//! Any bytes as a stream of events in pieces.

use phalanx_gateway::fuzz::events;

/// Reads bytes as a stream whose first byte says how long its pieces are. However it is cut, as many events are complete as
/// an own reading finds, and what is said to end the one under way ends that and nothing else.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let (complete, ending) = events([stream]);
    let size = usize::from(first).max(1);
    assert_eq!(events(stream.chunks(size)), (complete, ending), "pieces do not matter");
    assert_eq!(complete, count(stream));

    let ended = [stream, ending.as_bytes()].concat();
    // The line under way, or the last one that ended.
    let mut lines = stream.rsplit(|&byte| byte == b'\n');
    let under_way = u64::from(lines.by_ref().take(2).any(|line| !is_blank(line)));
    assert_eq!(count(&ended), complete + under_way);
    assert_eq!(events([ended.as_slice()]), (complete + under_way, ""));
    let next = [ended.as_slice(), b"data: x\n\n"].concat();
    assert_eq!(count(&next), complete + under_way + 1, "another one can follow");
}

/// Blank lines after lines that are not.
fn count(stream: &[u8]) -> u64 {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    // The last one has no end.
    lines.pop();
    lines.windows(2).map(|two| u64::from(!is_blank(two[0]) && is_blank(two[1]))).sum()
}

fn is_blank(line: &[u8]) -> bool {
    line.is_empty() || line == b"\r"
}
