//! One session's part of a history, and how each of its refreshes must be answered.

use std::collections::BTreeMap;

use super::{MARGIN, RECOVERED, Rule, SLOW, Verdict, Violation};
use crate::history::record::{History, Operation, Outcome, Request};

/// All that was done to one session, in the order in which it was begun.
pub struct Session<'a> {
    history: &'a History,
    operations: Vec<&'a Operation>,
    /// Those that may have ended it, that much was asked for.
    ends: Vec<&'a Operation>,
    /// Those that presented a refresh token, and may have had an effect, each with whether that was proper.
    uses: Vec<(&'a Operation, bool)>,
}

impl<'a> Session<'a> {
    pub fn new(history: &'a History, mut operations: Vec<&'a Operation>) -> Self {
        let login = operations.iter().find(|operation| operation.request == Request::Login).copied();
        operations.extend(history.operations.iter().filter(|operation| {
            operation.request == Request::EndAll
                && login.is_some_and(|login| {
                    login.user == operation.user && login.invoked <= history.settled(operation)
                })
        }));
        operations.sort_by_key(|operation| operation.invoked);
        let ends = operations
            .iter()
            .filter(|operation| operation.is_end() && operation.outcome != Outcome::Unsent)
            .copied()
            .collect();
        let used: Vec<&Operation> = operations
            .iter()
            .filter(|operation| operation.presented().is_some() && may_have_effect(history, operation))
            .copied()
            .collect();
        let uses = used.iter().map(|operation| (*operation, is_proper(history, operation, &used))).collect();
        Self { history, operations, ends, uses }
    }

    /// The first violation, if there is one. Counts what was judged.
    pub fn first_violation(
        &self,
        judged: &mut BTreeMap<Rule, usize>,
        answered: &mut usize,
    ) -> Option<Violation> {
        let mut first = None;
        for operation in &self.operations {
            let broken = self.broken_by(operation, judged, answered);
            if let (None, Some(rule)) = (&first, broken) {
                let (operation, story) = ((*operation).clone(), self.story());
                first = Some(Violation { rule, operation, story });
            }
        }
        first
    }

    fn broken_by(
        &self,
        operation: &Operation,
        judged: &mut BTreeMap<Rule, usize>,
        answered: &mut usize,
    ) -> Option<Rule> {
        if operation.request == Request::EndAll {
            // It is no one session's.
            return None;
        }
        if !self.history.is_answer(operation) {
            return Some(Rule::Answers);
        }
        let Some(generation) = operation.presented() else {
            // It may be refused to end what has ended.
            let is_lost = operation.outcome == Outcome::Refused && self.lives(operation);
            let is_minted_wrong = operation.minted().is_some_and(|minted| {
                minted.generation != 0 || !minted.of_the_user || minted.access_session != minted.session
            });
            return match (is_lost, is_minted_wrong) {
                (true, _) => Some(Rule::NobodyIsLost),
                (_, true) => Some(Rule::OneChild),
                _ => None,
            };
        };
        let verdict = match &operation.outcome {
            Outcome::Minted(_) | Outcome::Refused => self.verdict(operation, generation),
            _ => return None,
        };
        *answered += 1;
        match verdict {
            Verdict::Accept => *judged.entry(Rule::NobodyIsLost).or_default() += 1,
            Verdict::Refuse(rule) => *judged.entry(rule).or_default() += 1,
            Verdict::Either => {}
        }
        match (verdict, operation.minted()) {
            (Verdict::Accept, None) => Some(Rule::NobodyIsLost),
            (Verdict::Refuse(rule), Some(_)) => Some(rule),
            (_, Some(_)) if !self.is_the_one_child(operation, generation) => Some(Rule::OneChild),
            _ => None,
        }
    }

    /// Rule 2.
    fn is_the_one_child(&self, operation: &Operation, generation: u64) -> bool {
        let Some(minted) = operation.minted() else { return true };
        let of_the_session = operation.session.as_ref() == Some(&minted.session)
            && minted.access_session == minted.session
            && minted.of_the_user;
        let has_other_sibling = self.answers_to(|other| other == generation).any(|sibling| {
            // Of two that do not agree, the later is to blame.
            sibling.invoked < operation.invoked
                && sibling.minted().is_some_and(|other| other.rotated_at_ms != minted.rotated_at_ms)
                && !self.history.is_lost_between(sibling, operation)
                && !self.history.is_lost_between(operation, sibling)
        });
        of_the_session && minted.generation == generation + 1 && !has_other_sibling
    }

    /// Rules 3 to 7.
    fn verdict(&self, operation: &Operation, generation: u64) -> Verdict {
        let invoked = operation.invoked;
        let remembered = |earlier: &Operation| !self.history.is_lost_between(earlier, operation);
        if self.ends.iter().any(|end| self.has_ended(end) && self.history.learned(end) < invoked) {
            return Verdict::Refuse(Rule::Ended);
        }
        let mut refusals = self.operations.iter().filter(|earlier| {
            earlier.presented().is_some()
                && earlier.outcome == Outcome::Refused
                && earlier.completed < invoked
        });
        if refusals.any(|refusal| remembered(refusal) || self.is_in_the_database(refusal)) {
            return Verdict::Refuse(Rule::RefusedForGood);
        }
        let grace = self.history.grace + MARGIN;
        let mut siblings = self.answers_to(|other| other == generation);
        if siblings.any(|sibling| sibling.completed + grace < invoked && remembered(sibling)) {
            return Verdict::Refuse(Rule::GraceEnds);
        }
        let mut descendants = self.answers_to(|other| other > generation);
        if descendants.any(|descendant| descendant.completed < invoked && remembered(descendant)) {
            return Verdict::Refuse(Rule::ChildUsed);
        }
        let is_proper = self.uses.iter().any(|(used, proper)| std::ptr::eq(*used, operation) && *proper);
        if is_proper && self.lives(operation) { Verdict::Accept } else { Verdict::Either }
    }

    /// Whether this end was acknowledged, and meant this session.
    fn has_ended(&self, end: &Operation) -> bool {
        let began = self.operations.iter().find(|operation| operation.request == Request::Login);
        end.outcome == Outcome::Done
            && (end.request != Request::EndAll || began.is_some_and(|login| login.completed <= end.invoked))
    }

    /// Whether the session certainly lives while this operation is carried out, if that itself does it no harm.
    fn lives(&self, operation: &Operation) -> bool {
        let until = operation.completed;
        let is_other = |other: &Operation| !std::ptr::eq(other, operation);
        !self.ends.iter().any(|end| is_other(end) && end.invoked <= until)
            && self.uses.iter().all(|(used, proper)| *proper || used.invoked > until || !is_other(used))
    }

    /// Whether the database certainly knows why this was refused. Whoever presented a token that may have ended the
    /// session by then was answered, and nothing was broken at the time.
    fn is_in_the_database(&self, refusal: &Operation) -> bool {
        let accepted = |used: &Operation| matches!(used.outcome, Outcome::Minted(_));
        let suspects = self
            .uses
            .iter()
            .filter(|(used, proper)| !proper && !accepted(used) && used.invoked <= refusal.completed);
        suspects.map(|(used, _)| *used).all(|used| {
            let from = used.invoked.saturating_sub(RECOVERED);
            used.outcome == Outcome::Refused
                && used.duration() < SLOW
                && !self.history.is_disturbed(from, used.completed + MARGIN)
        })
    }

    /// The refreshes that were answered with tokens, with a token of such a generation.
    fn answers_to(&self, generation: impl Fn(u64) -> bool) -> impl Iterator<Item = &'a Operation> {
        self.operations.iter().copied().filter(move |operation| {
            operation.presented().is_some_and(&generation) && operation.minted().is_some()
        })
    }

    /// What happened to it, and around it, line by line.
    fn story(&self) -> String {
        let (Some(first), Some(last)) =
            (self.operations.first(), self.operations.iter().map(|operation| operation.completed).max())
        else {
            return String::new();
        };
        let own = self.operations.iter().map(|operation| (operation.invoked, operation.to_string()));
        let broken = self.history.disturbances.iter();
        let broken = broken.filter(|broken| broken.until >= first.invoked && broken.from <= last);
        let mut lines: Vec<_> = own.chain(broken.map(|broken| (broken.from, broken.to_string()))).collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| format!("  {line}\n")).collect()
    }
}

/// Whether it may have been carried out.
fn may_have_effect(history: &History, operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Unsent => false,
        // Redis does nothing that nobody waits for any more.
        Outcome::Unavailable => !history.is_without_redis(operation),
        _ => true,
    }
}

/// Whether a client may present this token then: its child was not used by the time that this is carried out, and the
/// grace period since it was first presented, if it was, is not over.
fn is_proper(history: &History, operation: &Operation, uses: &[&Operation]) -> bool {
    let (generation, settled) = (operation.presented(), history.settled(operation));
    let before = || uses.iter().filter(|other| other.invoked <= settled);
    let child_was_used = before().any(|other| other.presented() > generation);
    let mut siblings = before().filter(|other| other.presented() == generation);
    let first = siblings.next().map_or(operation.invoked, |first| first.invoked);
    let is_alone = siblings.next().is_none();
    !child_was_used && (is_alone || settled + MARGIN <= first + history.grace)
}
