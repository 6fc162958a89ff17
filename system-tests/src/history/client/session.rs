//! A session as its client knows it.

use crate::history::{api::Tokens, record::Moment};

/// A session and its tokens.
pub struct Session {
    pub id: String,
    /// Tokens of all generations, some generations more than once.
    tokens: Vec<Tokens>,
    /// Time of the first use of the newest generation, and of the generation before.
    pub presented: [Option<Moment>; 2],
    /// Time until which a request without an answer may still be executing.
    pub unsettled_until: Moment,
    /// Time until which the client does not use the session.
    pub left_alone_until: Moment,
}

impl Session {
    pub fn new(id: String, tokens: Tokens) -> Self {
        Self {
            id,
            tokens: vec![tokens],
            presented: [None; 2],
            unsettled_until: Moment::ZERO,
            left_alone_until: Moment::ZERO,
        }
    }

    pub fn add(&mut self, tokens: Tokens) {
        if tokens.generation > self.newest_generation() {
            self.presented = [None, self.presented[0]];
        }
        self.tokens.push(tokens);
    }

    pub fn newest_generation(&self) -> u64 {
        self.tokens.iter().map(|tokens| tokens.generation).max().unwrap_or_default()
    }

    /// Returns one of the tokens of suitable age. The age of a token is the number of generations
    /// below the newest.
    pub fn pick(&self, pick: usize, mut is_suitable: impl FnMut(u64) -> bool) -> Option<Tokens> {
        let newest = self.newest_generation();
        let suitable = |tokens: &&Tokens| is_suitable(newest - tokens.generation);
        let suitable: Vec<&Tokens> = self.tokens.iter().filter(suitable).collect();
        (!suitable.is_empty()).then(|| suitable[pick % suitable.len()].clone())
    }
}
