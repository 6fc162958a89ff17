//! Hash jobs: descriptions of hashes that the hash pool computes later.

use std::fmt;

use bcrypt_lanes::{Digest, Input};

/// Kinds of hashes in metrics.
pub const BCRYPT: &str = "bcrypt";
pub const PBKDF2: &str = "pbkdf2";
pub const ARGON2: &str = "argon2";
pub const SCRYPT: &str = "scrypt";

/// The job that follows from the digest of a bcrypt hash.
pub type Next<T> = Box<dyn FnOnce(Digest) -> HashJob<T> + Send>;

/// A job whose result is a `T`.
pub enum HashJob<T> {
    /// No computation is left.
    Done(T),
    /// A bcrypt hash, and the job that follows from its digest.
    Bcrypt(Input, Next<T>),
    /// Any other hash, which the thread computes at once, and the job that follows from it. The text
    /// is the kind of the hash in metrics.
    Other(&'static str, Box<dyn FnOnce() -> HashJob<T> + Send>),
}

impl<T: 'static> HashJob<T> {
    /// Returns a job that runs this job, then the job that `next` returns for its result.
    pub fn then<U: 'static, F>(self, next: F) -> HashJob<U>
    where
        F: FnOnce(T) -> HashJob<U> + Send + 'static,
    {
        match self {
            Self::Done(value) => next(value),
            Self::Bcrypt(input, finish) => {
                HashJob::Bcrypt(input, Box::new(|digest| finish(digest).then(next)))
            }
            Self::Other(kind, compute) => HashJob::Other(kind, Box::new(|| compute().then(next))),
        }
    }

    /// Returns a job that runs this job, and applies `convert` to its result.
    pub fn map<U: 'static, F>(self, convert: F) -> HashJob<U>
    where
        F: FnOnce(T) -> U + Send + 'static,
    {
        self.then(|value| HashJob::Done(convert(value)))
    }
}

impl<T> fmt::Debug for HashJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashJob(redacted)")
    }
}
