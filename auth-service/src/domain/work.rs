//! Hashes that are still to be computed: what a rule asks for, without the time it takes. The hash pool does the work.

use std::fmt;

use bcrypt_lanes::{Input, Sum};

type Next<A, T> = Box<dyn FnOnce(A) -> Work<T> + Send>;

/// Work that comes to a `T`.
pub enum Work<T> {
    /// Nothing is left to do.
    Done(T),
    /// A bcrypt hash, and how to go on with it.
    Bcrypt(Input, Next<Sum, T>),
    /// Anything else that takes its time.
    Other(Next<(), T>),
}

impl<T: 'static> Work<T> {
    /// This, and then what follows from it.
    pub fn then<U: 'static>(self, next: impl FnOnce(T) -> Work<U> + Send + 'static) -> Work<U> {
        match self {
            Self::Done(value) => next(value),
            Self::Bcrypt(input, go_on) => Work::Bcrypt(input, Box::new(|sum| go_on(sum).then(next))),
            Self::Other(go_on) => Work::Other(Box::new(|()| go_on(()).then(next))),
        }
    }

    /// This, and then what is made of it.
    pub fn map<U: 'static>(self, make: impl FnOnce(T) -> U + Send + 'static) -> Work<U> {
        self.then(|value| Work::Done(make(value)))
    }
}

impl<T> fmt::Debug for Work<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work(redacted)")
    }
}
