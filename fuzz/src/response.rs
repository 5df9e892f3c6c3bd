//! Any bytes as an engine's response in pieces.

use phalanx_gateway::fuzz::response_in;

/// Reads bytes as a response whose first byte says how long its pieces are. However it is cut, the same status and body are
/// read, or none; and a body is never longer than what came.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let whole = response_in([bytes]);
    let size = usize::from(first).max(1);
    let cut = response_in(bytes.chunks(size));
    match (&whole, &cut) {
        // Of several faults another one may be met first.
        (Some(Err(_)), Some(Err(_))) => {}
        _ => assert_eq!(whole, cut, "pieces do not matter"),
    }
    if let Some(Ok((_, body))) = whole {
        assert!(body.len() <= bytes.len());
    }
}
