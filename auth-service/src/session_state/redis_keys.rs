//! Names of the keys in Redis.
//!
//! A script reads a session's entry and a marker, so both must be on one node of a cluster. The
//! keys are spread over sixteen buckets by the last digit of the session id. Each bucket has a hash
//! tag and a marker.

use std::{array, ops::Range};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::claims::SessionId;

use super::types::Rebuild;

/// Number of buckets: one for each value of the last digit of a session id.
pub const BUCKETS: usize = 16;

/// Names of the keys of one deployment.
pub struct Keys {
    /// First part of the names of each bucket's keys.
    prefixes: [String; BUCKETS],
    /// Names of each bucket's log of outages.
    outages: [String; BUCKETS],
}

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self {
            prefixes: array::from_fn(|bucket| format!("{prefix}bl{{{bucket:x}}}:")),
            outages: array::from_fn(|bucket| format!("{prefix}outages{{{bucket:x}}}")),
        }
    }

    /// Returns the key of a session's entry.
    pub fn entry(&self, sid: SessionId) -> String {
        // 28 characters with an empty prefix. Redis' allocator uses 32 bytes for up to 28, and
        // every refreshed session has one of these keys.
        self.key(bucket_of(sid), &URL_SAFE_NO_PAD.encode(sid.0))
    }

    /// Returns the key of the marker that states since when the bucket is complete.
    pub fn marker(&self, bucket: u8) -> String {
        self.key(bucket, "whole-since")
    }

    /// Returns the key of the bucket's log of outages.
    pub fn outages(&self, bucket: u8) -> &str {
        &self.outages[usize::from(bucket)]
    }

    /// Returns the key that a rebuild leaves in the bucket until it is finished.
    pub fn rebuild(&self, bucket: u8, rebuild: &Rebuild) -> String {
        self.key(bucket, &format!("rebuild-{}", rebuild.id))
    }

    fn key(&self, bucket: u8, name: &str) -> String {
        [&*self.prefixes[usize::from(bucket)], name].concat()
    }
}

/// Returns the bucket that holds a session's entry.
pub fn bucket_of(sid: SessionId) -> u8 {
    sid.0.as_bytes()[15] & 0xf
}

/// Returns all buckets.
pub fn buckets() -> Range<u8> {
    0..BUCKETS as u8
}
