//! The frames of a multipart message, and what is sent to ask for a replay.

use thiserror::Error;

/// The sequence number that ends a replay: -1, which no batch has.
pub const REPLAY_END: [u8; 8] = [0xff; 8];

/// What a publisher or its replay socket sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A batch of events.
    Batch {
        /// What it was published under; empty where the message does not say.
        topic: &'a [u8],
        /// Its number: the first of a process is 0, each one after it one more.
        seq: u64,
        /// The events, for an [`EventBatch`](super::EventBatch).
        payload: &'a [u8],
    },
    /// The end of a replay.
    End,
}

impl<'a> Message<'a> {
    /// Reads the frames of one message: number and payload are the last two, before them a topic if there are three, and
    /// before that an empty frame if there are four.
    ///
    /// So all of these are read: live messages (topic, number, payload); answers of vLLM 0.32 to a replay ("", topic,
    /// number, payload) and of older ones and SGLang ("", number, payload); and either answer without its first frame, as
    /// a REQ socket hands it out.
    ///
    /// # Errors
    /// [`FrameError`] for anything else.
    ///
    /// ```
    /// use phalanx_kvcache::wire::{Message, REPLAY_END};
    ///
    /// let live = [b"topic".as_slice(), &[0, 0, 0, 0, 0, 0, 1, 2], b"events"];
    /// assert_eq!(Message::from_frames(&live)?, Message::Batch { topic: b"topic", seq: 258, payload: b"events" });
    /// assert_eq!(Message::from_frames(&[b"".as_slice(), &REPLAY_END, b""])?, Message::End);
    /// assert!(Message::from_frames(&[b"topic".as_slice(), &[1], b"events"]).is_err());
    /// # Ok::<(), phalanx_kvcache::wire::FrameError>(())
    /// ```
    pub fn from_frames<F: AsRef<[u8]>>(frames: &'a [F]) -> Result<Self, FrameError> {
        let (before, number, payload) = match frames {
            [before @ .., number, payload] if before.len() <= 2 => (before, number.as_ref(), payload.as_ref()),
            _ => return Err(FrameError::Count { frames: frames.len() }),
        };
        if let [delimiter, _] = before
            && !delimiter.as_ref().is_empty()
        {
            return Err(FrameError::Delimiter { bytes: delimiter.as_ref().len() });
        }
        let seq = read_number(number)?;
        if number == REPLAY_END {
            let bytes = payload.len();
            return if bytes == 0 { Ok(Self::End) } else { Err(FrameError::End { bytes }) };
        }
        let topic = before.last().map_or(&[][..], AsRef::as_ref);
        Ok(Self::Batch { topic, seq, payload })
    }
}

/// The last frame of a request for all batches from a number on that are still kept.
///
/// A REQ socket sends it alone; a DEALER sends an empty frame before it.
///
/// ```
/// assert_eq!(phalanx_kvcache::wire::replay_request(258), [0, 0, 0, 0, 0, 0, 1, 2]);
/// ```
pub const fn replay_request(from: u64) -> [u8; 8] {
    from.to_be_bytes()
}

/// Reads the last frame of such a request.
///
/// # Errors
/// [`FrameError::Sequence`] if it is not 8 bytes long.
///
/// ```
/// use phalanx_kvcache::wire::{replay_request, replay_start};
///
/// assert_eq!(replay_start(&replay_request(7)), Ok(7));
/// assert!(replay_start(b"7").is_err());
/// ```
pub fn replay_start(frame: &[u8]) -> Result<u64, FrameError> {
    read_number(frame)
}

fn read_number(frame: &[u8]) -> Result<u64, FrameError> {
    match frame.try_into() {
        Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
        Err(_) => Err(FrameError::Sequence { bytes: frame.len() }),
    }
}

/// Frames that are no message of a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Too few or too many frames.
    #[error("a message of {frames} frames: expected 2 to 4")]
    Count {
        /// How many there are.
        frames: usize,
    },
    /// The first frame of four is not empty.
    #[error("the first of 4 frames has {bytes} bytes: expected none")]
    Delimiter {
        /// Its length.
        bytes: usize,
    },
    /// The number's frame is not 8 bytes long.
    #[error("a sequence number of {bytes} bytes: expected 8")]
    Sequence {
        /// Its length.
        bytes: usize,
    },
    /// The end of a replay has a payload.
    #[error("the end of a replay with a payload of {bytes} bytes: expected none")]
    End {
        /// Its length.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[&[u8]], expected: Result<Message<'_>, FrameError>) {
        assert_eq!(Message::from_frames(frames), expected);
    }

    #[test]
    fn every_shape_of_a_message() {
        let seq = &9_u64.to_be_bytes()[..];
        let plain = Ok(Message::Batch { topic: b"", seq: 9, payload: b"p" });
        let named = Ok(Message::Batch { topic: b"t", seq: 9, payload: b"p" });
        check(&[b"t", seq, b"p"], named.clone());
        check(&[b"", b"t", seq, b"p"], named);
        check(&[b"", seq, b"p"], plain.clone());
        check(&[b"", b"", seq, b"p"], plain.clone());
        check(&[seq, b"p"], plain);
        check(&[b"", &REPLAY_END, b""], Ok(Message::End));
        check(&[b"", b"", &REPLAY_END, b""], Ok(Message::End));
        check(&[b"", b"t", &REPLAY_END, b""], Ok(Message::End));
    }

    #[test]
    fn what_is_no_message() {
        let seq = &9_u64.to_be_bytes()[..];
        check(&[], Err(FrameError::Count { frames: 0 }));
        check(&[seq], Err(FrameError::Count { frames: 1 }));
        check(&[b"", b"", b"", seq, b"p"], Err(FrameError::Count { frames: 5 }));
        check(&[b"id", b"t", seq, b"p"], Err(FrameError::Delimiter { bytes: 2 }));
        check(&[b"t", b"", b"p"], Err(FrameError::Sequence { bytes: 0 }));
        check(&[b"t", &REPLAY_END, b"p"], Err(FrameError::End { bytes: 1 }));
    }

    #[test]
    fn numbers_have_64_bits_and_no_sign() {
        let seq = u64::MAX - 1;
        let frames = [b"t".as_slice(), &replay_request(seq), b"p"];
        assert_eq!(Message::from_frames(&frames), Ok(Message::Batch { topic: b"t", seq, payload: b"p" }));
    }
}
