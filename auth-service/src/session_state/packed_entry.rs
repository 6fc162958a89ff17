//! The bytes of an entry in Redis.
//!
//! `session.lua` writes the value of a session's key, and [`parse`] reads it. The value of a session
//! that has ended is the text `revoked`. The value of every other session has 16 bytes, with
//! unsigned numbers in big-endian order. Every session has an entry, so size counts.
//!
//! - Bytes 0 to 4: the watermark, which is the lowest generation still accepted.
//! - Bytes 5 to 10: when the watermark last moved, in milliseconds since the Unix epoch, by Redis'
//!   clock.
//! - Byte 11: flags. Bit 7 is set. Bits 5 and 6 are the generations with current claims: 0 all, 1
//!   from the watermark on, 2 none. Bits 2 to 4 are twice the number of consecutive generations
//!   before the watermark's that were retried elsewhere, plus 1 if the watermark's was too.
//! - Bytes 12 to 15: hash of the origin of the request that moved the watermark, or zeros.
//!
//! The previous version reads the last 5 bytes as the first generation with current claims. Bit 7
//! makes that number larger than any generation, so the previous version takes the claims of every
//! token for stale, and reads the database. It writes values of 11 bytes without, and 16 bytes with
//! a first generation with current claims. All bits of that generation are set if none has.

use crate::domain::{
    refresh_decision::{CurrentClaims, RetriesElsewhere, SessionEntry, Watermark},
    session::OriginHash,
};

/// Flags of an entry whose claims the previous version has marked as stale.
const MARKED_BY_PREVIOUS_VERSION: u8 = 0xff;
const IS_THIS_VERSION: u8 = 0x80;

/// Returns the number for `claims` in `session.lua`.
pub fn claims_number(claims: CurrentClaims) -> i64 {
    match claims {
        CurrentClaims::OfAll => 0,
        CurrentClaims::FromWatermark => 1,
        CurrentClaims::OfNone => 2,
    }
}

/// Parses a packed entry. A value that no version writes ends the session.
pub fn parse(entry: &[u8]) -> SessionEntry {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let Some((start, rest)) = entry.split_at_checked(11) else { return SessionEntry::Revoked };
    let old = Watermark {
        generation: number(&start[..5]),
        moved_at_ms: number(&start[5..]) as i64,
        ..Watermark::default()
    };
    let watermark = match *rest {
        [] => old,
        [MARKED_BY_PREVIOUS_VERSION, _, _, _, _] => {
            Watermark { current_claims: CurrentClaims::OfNone, ..old }
        }
        [flags, a, b, c, d] if flags & IS_THIS_VERSION != 0 => Watermark {
            current_claims: match flags >> 5 & 3 {
                0 => CurrentClaims::OfAll,
                1 => CurrentClaims::FromWatermark,
                _ => CurrentClaims::OfNone,
            },
            retries: RetriesElsewhere { earlier: flags >> 3 & 3, is_counted: flags >> 2 & 1 == 1 },
            origin: OriginHash::from_bits(u32::from_be_bytes([a, b, c, d])),
            ..old
        },
        [_, _, _, _, _] => {
            let current_claims = match number(rest) {
                from if from < old.generation => CurrentClaims::OfAll,
                from if from == old.generation => CurrentClaims::FromWatermark,
                _ => CurrentClaims::OfNone,
            };
            Watermark { current_claims, ..old }
        }
        _ => return SessionEntry::Revoked,
    };
    SessionEntry::Alive(watermark)
}
