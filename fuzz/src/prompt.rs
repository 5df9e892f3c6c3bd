//! Any bytes as a request's body whose prompt is to be tokens, under any chat template.

use std::cell::RefCell;

use phalanx_gateway::fuzz::Prompter;

/// The longest input that is looked at, in bytes: more only takes longer.
const LONGEST: usize = 1 << 14;

thread_local! {
    // What is remembered of earlier inputs must not matter, so it stays.
    static PROMPTER: RefCell<Prompter> = RefCell::new(Prompter::new());
}

/// Reads bytes as an API (the first byte), a chat template up to the first 0 (nothing: ChatML), and a body. A template that
/// does not end, or fails, costs no more than its fuel. What a prompt's pieces come to, remembered or not, are
/// the tokens of its whole text, and the memory keeps its bound.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Some((&api, rest)) = data[..data.len().min(LONGEST)].split_first() else { return };
    let Some(at) = rest.iter().position(|&byte| byte == 0) else { return };
    let (template, body) = (String::from_utf8_lossy(&rest[..at]), &rest[at + 1..]);
    PROMPTER.with_borrow(|prompter| {
        for [fresh, remembered, whole] in prompter.prompts(body, api, &template).unwrap_or_default() {
            assert_eq!(fresh, whole, "pieces are as the whole");
            assert_eq!(remembered, whole, "what is remembered is as what is not");
        }
        assert!(prompter.bytes() <= 1 << 14, "{}", prompter.bytes());
    });
}
