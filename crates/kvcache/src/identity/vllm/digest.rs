//! The name of a block in vLLM.

use core::fmt;

use thiserror::Error;

use crate::BlockHash;

/// vLLM's name of a block: 32 bytes of SHA-256, or 16 of XXH3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VllmDigest {
    /// The bytes, and zeros after them.
    bytes: [u8; 32],
    long: bool,
}

impl VllmDigest {
    /// A name from the bytes that an event carries.
    ///
    /// # Errors
    /// [`VllmDigestError`] unless there are 16 or 32.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, VllmDigest};
    ///
    /// assert_eq!(VllmDigest::new(&[1; 32])?.identity(), BlockHash::from_bytes(&[1; 32])?);
    /// assert!(VllmDigest::new(&[1; 20]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(bytes: &[u8]) -> Result<Self, VllmDigestError> {
        if let (32, Some(bytes)) = (bytes.len(), bytes.first_chunk()) {
            return Ok(Self::of_32(*bytes));
        }
        if let (16, Some(bytes)) = (bytes.len(), bytes.first_chunk()) {
            return Ok(Self::of_16(*bytes));
        }
        Err(VllmDigestError { bytes: bytes.len() })
    }

    pub(super) const fn of_32(bytes: [u8; 32]) -> Self {
        Self { bytes, long: true }
    }

    pub(super) const fn of_16(short: [u8; 16]) -> Self {
        let mut bytes = [0; 32];
        bytes.split_at_mut(16).0.copy_from_slice(&short);
        Self { bytes, long: false }
    }

    /// The bytes: 32, or 16.
    pub const fn as_bytes(&self) -> &[u8] {
        if self.long { &self.bytes } else { self.bytes.split_at(16).0 }
    }

    /// The name as the number that events carry: its last 8 bytes.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, VllmDigest};
    ///
    /// let digest = VllmDigest::new(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7])?;
    /// assert_eq!(digest.identity(), BlockHash(7));
    /// # Ok::<(), phalanx_kvcache::VllmDigestError>(())
    /// ```
    pub const fn identity(&self) -> BlockHash {
        match BlockHash::from_bytes(self.as_bytes()) {
            Ok(hash) => hash,
            Err(_) => panic!("16 bytes are more than 8"),
        }
    }
}

impl fmt::Display for VllmDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for VllmDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VllmDigest({self})")
    }
}

/// Bytes that are no digest of vLLM's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("digest of {bytes} bytes: expected 16 or 32")]
#[non_exhaustive]
pub struct VllmDigestError {
    /// How many bytes there are.
    pub bytes: usize,
}
