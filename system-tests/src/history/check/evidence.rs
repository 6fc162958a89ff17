//! What a history proves about its operations.

use std::time::Duration;

use super::rule::{LEARNED, MARGIN, SETTLED, SETTLED_IF_DELAYED, SLOW};
use crate::history::record::{History, Moment, Operation, Outcome, Request, TokenPair};

impl History {
    /// Returns whether the outcome is one that rule 1 allows.
    pub(super) fn is_expected(&self, operation: &Operation) -> bool {
        let is_healthy = self.healthy_since.is_some_and(|since| operation.invoked >= since);
        match &operation.outcome {
            Outcome::Tokens(_) => !operation.is_end(),
            Outcome::Done => operation.is_end(),
            Outcome::Refused => operation.request != Request::Login,
            Outcome::Unavailable | Outcome::Unknown | Outcome::Unsent => !is_healthy,
            Outcome::Unexpected(_) => false,
        }
    }

    /// Returns whether a fault was active at any time in this period.
    pub(super) fn is_disturbed(&self, from: Moment, until: Moment) -> bool {
        self.disturbances.iter().any(|fault| fault.from <= until && fault.until >= from)
    }

    /// Returns whether an operation may have had an effect.
    pub(super) fn may_have_effect(&self, operation: &Operation) -> bool {
        match operation.outcome {
            Outcome::Unsent => false,
            // Redis executes no command after the replica has stopped waiting for the answer.
            Outcome::Unavailable => !self.is_without_redis(operation),
            _ => true,
        }
    }

    /// Returns whether Redis executed nothing for the replica during the whole operation.
    fn is_without_redis(&self, operation: &Operation) -> bool {
        self.disturbances.iter().filter_map(|fault| fault.redis_away).any(|away| {
            away.replica.is_none_or(|replica| replica == operation.replica)
                && away.from + MARGIN <= operation.invoked
                && operation.completed + MARGIN <= away.until
        })
    }

    /// Returns whether Redis may have lost what the earlier operation wrote before it decided on
    /// the later one.
    pub(super) fn is_lost_between(&self, earlier: &Operation, later: &Operation) -> bool {
        self.disturbances.iter().any(|fault| {
            fault.loses_after.is_some_and(|kept| earlier.completed >= kept)
                && earlier.invoked <= fault.until
                && later.completed >= fault.from
        })
    }

    /// Returns the longest time for which no refresh may have been answered in this period: each
    /// fault, and the time until every replica has recovered from it.
    pub(super) fn outages(&self, from: Moment, until: Moment) -> Duration {
        let faults = self.disturbances.iter();
        let overlaps = faults
            .map(|fault| (fault.until + LEARNED).min(until).saturating_sub(fault.from.max(from)));
        overlaps.sum()
    }

    /// Returns the time after which an operation has no further effect.
    pub(super) fn settled(&self, operation: &Operation) -> Moment {
        if operation.outcome != Outcome::Unknown {
            return operation.completed;
        }
        let soon = operation.completed + SETTLED;
        let mut delays = self.disturbances.iter().filter(|fault| fault.delays_requests);
        let is_delayed = delays.any(|fault| fault.from <= soon && fault.until >= operation.invoked);
        if is_delayed { operation.completed + SETTLED_IF_DELAYED } else { soon }
    }

    /// Returns the time after which every replica has learned of an acknowledged end.
    pub(super) fn learned(&self, end: &Operation) -> Moment {
        if !self.is_disturbed(end.invoked, end.completed) && end.duration() < SLOW {
            return end.completed;
        }
        let mut learned = end.completed + LEARNED;
        // A fault before that time postpones it.
        while let Some(later) = self
            .disturbances
            .iter()
            .filter(|fault| fault.from <= learned && fault.until >= end.invoked)
            .map(|fault| fault.until + LEARNED)
            .filter(|later| *later > learned)
            .max()
        {
            learned = later;
        }
        learned
    }
}

impl Operation {
    /// Returns the time between request and answer.
    pub(super) fn duration(&self) -> Duration {
        self.completed - self.invoked
    }

    /// Returns the tokens in the answer.
    pub(super) fn tokens(&self) -> Option<&TokenPair> {
        match &self.outcome {
            Outcome::Tokens(pair) => Some(pair),
            _ => None,
        }
    }

    /// Returns the generation of the presented refresh token.
    pub(super) fn presented(&self) -> Option<u64> {
        match self.request {
            Request::Refresh { generation } => Some(generation),
            _ => None,
        }
    }

    /// Returns whether the request is to end a session or all sessions.
    pub(super) fn is_end(&self) -> bool {
        matches!(self.request, Request::End(_) | Request::EndAll)
    }
}
