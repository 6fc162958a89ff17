//! The rules, and the times that they depend on.

use std::time::Duration;

/// Maximum difference between our clock and Redis' clock, and between a signal and its effect.
pub const MARGIN: Duration = Duration::from_millis(100);
/// Maximum time for which a request without an answer may still execute, on a busy machine.
pub const SETTLED: Duration = Duration::from_secs(1);
/// [`SETTLED`] if Redis or the database delays the request: two attempts, each of which waits one
/// second to bring Redis up to date and one second for the answer of Redis, with a margin for a
/// busy machine.
pub const SETTLED_IF_DELAYED: Duration = Duration::from_secs(6);
/// Maximum time until a replica reads in the database what it did not learn from another replica:
/// one or two seconds, with a margin for a busy machine.
pub const LEARNED: Duration = Duration::from_secs(4);
/// Time without a fault after which no connection from before the fault is in use.
pub const RECOVERED: Duration = Duration::from_secs(2);
/// Time after which we assume that Redis or the database has delayed an answer.
pub const SLOW: Duration = Duration::from_millis(900);

/// A rule for histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Rule 1.
    ExpectedAnswers,
    /// Rule 2.
    OneSuccessor,
    /// Rule 3.
    EndedStaysEnded,
    /// Rule 4.
    RefusedStaysRefused,
    /// Rule 5.
    GracePeriodEnds,
    /// Rule 6.
    SuccessorUsed,
    /// Rule 7.
    ProperUseAccepted,
}

/// Answer that the rules demand for a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tokens.
    Accept,
    /// A refusal, because of this rule.
    Refuse(Rule),
    /// Tokens or a refusal.
    Either,
}
