//! Hashes that are still to be computed: what a rule asks for, without the time it takes. The hash pool does the work.

use std::fmt;

use bcrypt_lanes::{Input, Sum};

type Next<A, T> = Box<dyn FnOnce(A) -> HashJob<T> + Send>;

/// HashJob that comes to a `T`.
pub enum HashJob<T> {
    /// Nothing is left to do.
    Done(T),
    /// A bcrypt hash, and how to go on with it.
    Bcrypt(Input, Next<Sum, T>),
    /// Anything else that takes its time.
    Other(Next<(), T>),
}

impl<T: 'static> HashJob<T> {
    /// This, and then what follows from it.
    pub fn then<U: 'static>(self, next: impl FnOnce(T) -> HashJob<U> + Send + 'static) -> HashJob<U> {
        match self {
            Self::Done(value) => next(value),
            Self::Bcrypt(input, go_on) => HashJob::Bcrypt(input, Box::new(|sum| go_on(sum).then(next))),
            Self::Other(go_on) => HashJob::Other(Box::new(|()| go_on(()).then(next))),
        }
    }

    /// This, and then what is made of it.
    pub fn map<U: 'static>(self, make: impl FnOnce(T) -> U + Send + 'static) -> HashJob<U> {
        self.then(|value| HashJob::Done(make(value)))
    }
}

impl<T> fmt::Debug for HashJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashJob(redacted)")
    }
}
