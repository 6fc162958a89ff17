//! Holds a history against the rules. They are in words in the module above.

mod session;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use self::session::Session;
use super::record::{History, Minted, Moment, Operation, Outcome, Request};

/// How far a time by our clock may be from one by Redis', and a signal from its effect.
pub const MARGIN: Duration = Duration::from_millis(100);
/// For how long a request that nobody waits for may still be at work, on a busy machine.
pub const SETTLED: Duration = Duration::from_secs(1);
/// And if Redis or the database holds it up: two tries, each of which waits for a second to bring Redis up to date and
/// for a second for its answer; and more, for the machine is busy.
const SETTLED_IF_HELD_UP: Duration = Duration::from_secs(6);
/// What a replica did not hear from another it reads in the database within this: "a second or two", on a busy machine.
pub const LEARNED: Duration = Duration::from_secs(4);
/// When this long nothing was broken, no connection is about that was.
const RECOVERED: Duration = Duration::from_secs(2);
/// Whoever is answered later than this was, for all we know, kept waiting by Redis or the database.
const SLOW: Duration = Duration::from_millis(900);

/// What a history must not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1. Answers are answers.
    Answers,
    /// 2. One child.
    OneChild,
    /// 3. Ended means ended.
    Ended,
    /// 4. Refused is refused.
    RefusedForGood,
    /// 5. The grace ends.
    GraceEnds,
    /// 6. And with the child's use.
    ChildUsed,
    /// 7. Nobody is lost.
    NobodyIsLost,
}

/// How a refresh must be answered, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// With tokens.
    Accept,
    /// With a refusal, for this reason.
    Refuse(Rule),
    /// Either way.
    Either,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many operations of each kind ended in each way.
    pub outcomes: BTreeMap<(&'static str, &'static str), usize>,
    /// How many answered refreshes each rule had something to say about. Rule 1 always has.
    pub judged: BTreeMap<Rule, usize>,
    /// How many refreshes were answered.
    pub answered: usize,
    /// The first violation in each session.
    pub violations: Vec<Violation>,
}

/// A rule that was broken.
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// By what.
    operation: Operation,
    /// All that happened to the session.
    story: String,
}

impl History {
    /// Holds it against all rules.
    pub fn check(&self) -> Report {
        let mut report = Report::default();
        let mut of_session: HashMap<&str, Vec<&Operation>> = HashMap::new();
        for operation in &self.operations {
            *report.outcomes.entry((operation.kind(), operation.outcome.kind())).or_default() += 1;
            match &operation.session {
                Some(session) => of_session.entry(session).or_default().push(operation),
                None if self.is_answer(operation) => {}
                None => report.violations.push(Violation {
                    rule: Rule::Answers,
                    operation: operation.clone(),
                    story: String::new(),
                }),
            }
        }
        for operations in of_session.into_values() {
            let session = Session::new(self, operations);
            report.violations.extend(session.first_violation(&mut report.judged, &mut report.answered));
        }
        report.violations.sort_by_key(|violation| violation.operation.completed);
        report
    }

    /// Rule 1.
    fn is_answer(&self, operation: &Operation) -> bool {
        let is_healthy = self.healthy_since.is_some_and(|since| operation.invoked >= since);
        match &operation.outcome {
            Outcome::Minted(_) => !operation.is_end(),
            Outcome::Done => operation.is_end(),
            Outcome::Refused => operation.request != Request::Login,
            Outcome::Unavailable | Outcome::Unknown | Outcome::Unsent => !is_healthy,
            Outcome::Unexpected(_) => false,
        }
    }

    /// Whether something was broken at any time from `from` to `until`.
    fn is_disturbed(&self, from: Moment, until: Moment) -> bool {
        self.disturbances.iter().any(|broken| broken.from <= until && broken.until >= from)
    }

    /// Whether Redis did nothing for the one asked, for as long as the operation took.
    fn is_without_redis(&self, operation: &Operation) -> bool {
        self.disturbances.iter().filter_map(|broken| broken.away).any(|away| {
            away.replica.is_none_or(|replica| replica == operation.replica)
                && away.from + MARGIN <= operation.invoked
                && operation.completed + MARGIN <= away.until
        })
    }

    /// Whether Redis may have lost what the earlier one wrote when it decided on the later one.
    fn is_lost_between(&self, earlier: &Operation, later: &Operation) -> bool {
        self.disturbances.iter().any(|broken| {
            broken.loses_after.is_some_and(|kept| earlier.completed >= kept)
                && earlier.invoked <= broken.until
                && later.completed >= broken.from
        })
    }

    /// When an operation has had the last of its effects.
    fn settled(&self, operation: &Operation) -> Moment {
        if operation.outcome != Outcome::Unknown {
            return operation.completed;
        }
        let soon = operation.completed + SETTLED;
        let mut broken = self.disturbances.iter().filter(|broken| broken.holds_up);
        if broken.any(|broken| broken.from <= soon && broken.until >= operation.invoked) {
            operation.completed + SETTLED_IF_HELD_UP
        } else {
            soon
        }
    }

    /// When every replica has learned of an end that was acknowledged.
    fn learned(&self, end: &Operation) -> Moment {
        if !self.is_disturbed(end.invoked, end.completed) && end.duration() < SLOW {
            return end.completed;
        }
        let mut learned = end.completed + LEARNED;
        // Whatever breaks before that puts it off.
        while let Some(later) = self
            .disturbances
            .iter()
            .filter(|broken| broken.from <= learned && broken.until >= end.invoked)
            .map(|broken| broken.until + LEARNED)
            .filter(|later| *later > learned)
            .max()
        {
            learned = later;
        }
        learned
    }
}

impl Operation {
    /// How long it took.
    fn duration(&self) -> Duration {
        self.completed - self.invoked
    }

    /// The tokens it was answered with.
    fn minted(&self) -> Option<&Minted> {
        match &self.outcome {
            Outcome::Minted(minted) => Some(minted),
            _ => None,
        }
    }

    /// The generation of the refresh token that was presented.
    fn presented(&self) -> Option<u64> {
        match self.request {
            Request::Refresh { generation } => Some(generation),
            _ => None,
        }
    }

    fn is_end(&self) -> bool {
        matches!(self.request, Request::End(_) | Request::EndAll)
    }

    fn kind(&self) -> &'static str {
        match self.request {
            Request::Login => "logins",
            Request::Refresh { .. } => "refreshes",
            Request::End(_) | Request::EndAll => "ends",
        }
    }
}

impl Outcome {
    fn kind(&self) -> &'static str {
        match self {
            Self::Minted(_) | Self::Done => "ok",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Unsent => "not sent",
            Self::Unexpected(_) => "unexpected",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((request, outcome), count) in &self.outcomes {
            writeln!(f, "{count:6} {request} {outcome}")?;
        }
        writeln!(f, "{:6} refreshes answered, of which had to be", self.answered)?;
        for (rule, count) in &self.judged {
            let how = if *rule == Rule::NobodyIsLost { "accepted" } else { "refused" };
            writeln!(f, "{count:6} {how}: {rule:?}")?;
        }
        for violation in &self.violations {
            writeln!(f, "\n{violation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} is broken by", self.rule)?;
        writeln!(f, "  {}", self.operation)?;
        if let Some(session) = &self.operation.session {
            writeln!(f, "in the session {session}:\n{}", self.story)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
