//! Any bytes as a stream of events in pieces.

use phalanx_gateway::fuzz::events;

/// Reads bytes as a stream whose first byte says how long its pieces are. However it is cut, as many events are complete as
/// an own reading finds, and what is said to end the line and the event under way does.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let (complete, ending) = events([stream]);
    let size = usize::from(first).max(1);
    assert_eq!(events(stream.chunks(size)), (complete, ending), "pieces do not matter");
    assert_eq!(complete, stream.windows(2).filter(|two| two == b"\n\n").count() as u64);

    let ended = [stream, ending.as_bytes()].concat();
    assert_eq!(events([ended.as_slice()]).1, "", "it is ended");
    let mut lines = ended.rsplit(|&byte| byte == b'\n');
    assert_eq!(lines.next(), Some(&[][..]), "no line is under way");
    assert!(lines.next().is_none_or(|line| line.is_empty() || line == b"\r"), "nor is an event");
    // Nothing is said where nothing is under way.
    let mut lines = stream.rsplit(|&byte| byte == b'\n');
    let is_ended = lines.next() == Some(&[]) && lines.next().is_none_or(|line| line.is_empty() || line == b"\r");
    assert_eq!(ending.is_empty(), is_ended || stream.is_empty());
}
