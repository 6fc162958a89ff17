//! Histories made up, which each rule must find fault with, or none may.

use std::time::Duration;

use super::Rule;
use crate::history::record::{Away, Disturbance, History, Minted, Moment, Operation, Outcome, Request, Way};

fn at(seconds: f64) -> Moment {
    Duration::from_secs_f64(seconds)
}

/// A session that begins at once, with a grace period of 3 seconds. Times are in seconds.
struct Tale(History);

fn tale() -> Tale {
    let tale = Tale(History { grace: at(3.0), ..History::default() });
    tale.that(0.0, 0.1, Request::Login, tokens(0, 0))
}

fn tokens(generation: u64, rotated_at_ms: i64) -> Outcome {
    let session = || "the-session".to_owned();
    Outcome::Minted(Minted {
        session: session(),
        access_session: session(),
        of_the_user: true,
        generation,
        rotated_at_ms,
    })
}

impl Tale {
    fn that(mut self, from: f64, until: f64, request: Request, outcome: Outcome) -> Self {
        self.0.operations.push(Operation {
            client: 0,
            user: 0,
            replica: 0,
            session: (request != Request::EndAll).then(|| "the-session".to_owned()),
            request,
            invoked: at(from),
            completed: at(until),
            outcome,
        });
        self
    }

    /// A refresh with this generation that takes a hundredth of a second.
    fn refresh(self, from: f64, generation: u64, outcome: Outcome) -> Self {
        self.that(from, from + 0.01, Request::Refresh { generation }, outcome)
    }

    /// One that rotates.
    fn rotates(self, from: f64, generation: u64) -> Self {
        let rotation = tokens(generation + 1, (from * 1000.0) as i64);
        self.refresh(from, generation, rotation)
    }

    /// One that is answered as the one at `first` was.
    fn retries(self, from: f64, generation: u64, first: f64) -> Self {
        self.refresh(from, generation, tokens(generation + 1, (first * 1000.0) as i64))
    }

    fn refused(self, from: f64, generation: u64) -> Self {
        self.refresh(from, generation, Outcome::Refused)
    }

    fn logout(self, from: f64, outcome: Outcome) -> Self {
        self.that(from, from + 0.01, Request::End(Way::Logout), outcome)
    }

    fn broken(mut self, from: f64, until: f64, away: bool, loses_after: Option<f64>) -> Self {
        let (what, from, until) = ("broken".to_owned(), at(from), at(until));
        let away = away.then_some(Away { replica: None, from, until });
        let loses_after = loses_after.map(at);
        self.0.disturbances.push(Disturbance { what, from, until, holds_up: true, away, loses_after });
        self
    }

    fn wiped(self, when: f64) -> Self {
        self.broken(when, when + 0.01, false, Some(0.0))
    }

    fn breaks(&self, rule: Rule) {
        let broken: Vec<Rule> = self.0.check().violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(broken, [rule], "{:#?}", self.0.operations);
    }

    fn breaks_none(&self) {
        let report = self.0.check();
        assert!(report.violations.is_empty(), "{report}");
    }
}

#[test]
fn a_session_that_is_used_properly_breaks_no_rule() {
    let tale = tale().rotates(1.0, 0).retries(2.0, 0, 1.0).rotates(9.0, 1).logout(10.0, Outcome::Done);
    tale.refused(11.0, 2).logout(12.0, Outcome::Done).breaks_none();
}

#[test]
fn an_answer_must_be_one() {
    tale().refresh(1.0, 0, Outcome::Unexpected(500)).breaks(Rule::Answers);
    tale().refresh(1.0, 0, Outcome::Done).breaks(Rule::Answers);
    tale().logout(1.0, tokens(1, 0)).breaks(Rule::Answers);
    tale().that(1.0, 1.1, Request::EndAll, Outcome::Unexpected(404)).breaks(Rule::Answers);
    let mut tale = tale().refresh(1.0, 0, Outcome::Unavailable);
    tale.breaks_none();
    tale.0.healthy_since = Some(at(0.5));
    tale.breaks(Rule::Answers);
}

#[test]
fn a_child_is_one_generation_further_and_of_the_same_session_and_user() {
    tale().refresh(1.0, 0, tokens(2, 1000)).breaks(Rule::OneChild);
    tale().refresh(1.0, 0, tokens(0, 1000)).breaks(Rule::OneChild);
    let wrong = |change: fn(&mut Minted)| {
        let Outcome::Minted(mut minted) = tokens(1, 1000) else { unreachable!() };
        change(&mut minted);
        tale().refresh(1.0, 0, Outcome::Minted(minted)).breaks(Rule::OneChild);
    };
    wrong(|minted| minted.session = "another".into());
    wrong(|minted| minted.access_session = "another".into());
    wrong(|minted| minted.of_the_user = false);
}

#[test]
fn a_token_is_rotated_once_unless_that_was_lost() {
    let twice = tale().rotates(1.0, 0).rotates(2.0, 0);
    twice.breaks(Rule::OneChild);
    twice.wiped(1.5).breaks_none();
    tale().rotates(1.0, 0).rotates(2.0, 0).broken(1.5, 1.6, true, Some(0.5)).breaks_none();
    // What it had kept by then, it has.
    tale().rotates(1.0, 0).rotates(2.0, 0).broken(1.5, 1.6, true, Some(1.2)).breaks(Rule::OneChild);
    tale().rotates(1.0, 0).rotates(2.0, 0).wiped(0.5).breaks(Rule::OneChild);
}

#[test]
fn what_has_ended_is_not_accepted_whatever_is_lost() {
    for end in [
        Request::End(Way::Logout),
        Request::End(Way::RevokeRefresh),
        Request::End(Way::RevokeAccess),
        Request::End(Way::Delete),
        Request::EndAll,
    ] {
        let ended = tale().that(1.0, 1.1, end, Outcome::Done).rotates(1.2, 0);
        ended.breaks(Rule::Ended);
        ended.wiped(1.15).breaks(Rule::Ended);
        tale().that(1.0, 1.1, end, Outcome::Done).rotates(1.05, 0).breaks_none();
        for nobody_knows in [Outcome::Unknown, Outcome::Unavailable] {
            tale().that(1.0, 1.1, end, nobody_knows.clone()).rotates(1.2, 0).breaks_none();
            tale().that(1.0, 1.1, end, nobody_knows).refused(1.2, 0).breaks_none();
        }
    }
}

#[test]
fn an_end_while_something_was_broken_is_learned_of_a_few_seconds_after_it_was_mended() {
    let ended = || tale().broken(0.9, 3.0, false, None).logout(1.0, Outcome::Done);
    ended().rotates(1.2, 0).breaks_none();
    ended().rotates(6.9, 0).breaks_none();
    ended().rotates(7.1, 0).breaks(Rule::Ended);
    // Broken again before everybody had learned of it.
    ended().broken(6.0, 6.5, false, None).rotates(9.0, 0).breaks_none();
    ended().broken(6.0, 6.5, false, None).rotates(11.0, 0).breaks(Rule::Ended);
    // Nothing was broken that we know of, but somebody was kept waiting.
    let slow = || tale().that(1.0, 2.1, Request::End(Way::Logout), Outcome::Done);
    slow().rotates(2.2, 0).breaks_none();
    slow().rotates(6.2, 0).breaks(Rule::Ended);
}

#[test]
fn logout_everywhere_ends_what_had_begun() {
    let mut during = tale().that(0.05, 0.2, Request::EndAll, Outcome::Done);
    during.0.operations.rotate_left(1);
    Tale(during.0.clone()).rotates(1.0, 0).breaks_none();
    Tale(during.0).refused(1.0, 0).breaks_none();
    let mut another = tale().that(1.0, 1.1, Request::EndAll, Outcome::Done).refused(2.0, 0);
    another.breaks_none();
    another.0.operations[1].user = 1;
    another.breaks(Rule::NobodyIsLost);
}

#[test]
fn what_was_refused_is_not_accepted() {
    // It must not be refused either: a retry in time would be.
    let refused = || tale().rotates(1.0, 0).refused(9.0, 0);
    refused().breaks_none();
    refused().rotates(10.0, 1).breaks(Rule::RefusedForGood);
    // The database knows, unless it was away.
    refused().wiped(20.0).rotates(21.0, 1).breaks(Rule::RefusedForGood);
    refused().broken(8.0, 9.5, false, None).wiped(20.0).rotates(21.0, 1).breaks_none();
    refused().broken(8.0, 9.5, false, None).rotates(21.0, 1).breaks(Rule::RefusedForGood);
    // Or unless it was another question that ended the session.
    let unheard = tale().rotates(1.0, 0).refresh(8.9, 0, Outcome::Unknown).refused(9.0, 0);
    unheard.wiped(20.0).rotates(21.0, 1).breaks_none();
    let unwritten = tale().rotates(1.0, 0).refused(8.0, 0).broken(7.9, 8.1, false, None).refused(15.0, 1);
    unwritten.wiped(20.0).rotates(21.0, 1).breaks_none();
    let heard = tale().refresh(1.0, 0, Outcome::Unknown).rotates(1.5, 0).refused(9.0, 0);
    heard.wiped(20.0).rotates(21.0, 1).breaks(Rule::RefusedForGood);
}

#[test]
fn the_grace_period_ends() {
    tale().rotates(1.0, 0).retries(4.0, 0, 1.0).breaks_none();
    let late = || tale().rotates(1.0, 0).retries(4.2, 0, 1.0);
    late().breaks(Rule::GraceEnds);
    late().wiped(2.0).breaks_none();
    late().broken(2.0, 2.1, true, Some(0.9)).breaks_none();
    late().broken(2.0, 2.1, true, Some(1.5)).breaks(Rule::GraceEnds);
}

#[test]
fn the_grace_period_ends_with_the_childs_use() {
    let used = || tale().rotates(1.0, 0).rotates(1.5, 1);
    used().retries(2.0, 0, 1.0).breaks(Rule::ChildUsed);
    // At the same time: either may have been first.
    used().retries(1.505, 0, 1.0).breaks_none();
    used().refused(1.505, 0).breaks_none();
    used().wiped(1.7).rotates(2.0, 0).breaks_none();
    used().rotates(1.6, 2).retries(2.0, 0, 1.0).breaks(Rule::ChildUsed);
}

#[test]
fn a_session_that_was_used_properly_is_not_refused() {
    tale().refused(1.0, 0).breaks(Rule::NobodyIsLost);
    tale().rotates(1.0, 0).refused(9.0, 1).breaks(Rule::NobodyIsLost);
    tale().rotates(1.0, 0).wiped(2.0).refused(9.0, 1).breaks(Rule::NobodyIsLost);
    // A retry in time, and one that is not.
    tale().rotates(1.0, 0).refused(3.8, 0).breaks(Rule::NobodyIsLost);
    tale().rotates(1.0, 0).refused(3.95, 0).breaks_none();
    // It may be refused to end what has ended, and nothing else.
    tale().logout(1.0, Outcome::Refused).breaks(Rule::NobodyIsLost);
    tale()
        .logout(1.0, Outcome::Done)
        .that(2.0, 2.1, Request::End(Way::Delete), Outcome::Refused)
        .breaks_none();
}

#[test]
fn who_got_no_answer_retries_in_time() {
    for none in [Outcome::Unknown, Outcome::Unavailable] {
        let unanswered = || tale().refresh(1.0, 0, none.clone());
        unanswered().refused(2.0, 0).breaks(Rule::NobodyIsLost);
        unanswered().rotates(2.0, 0).breaks_none();
        unanswered().refused(5.0, 0).breaks_none();
    }
    tale().refresh(1.0, 0, Outcome::Unsent).refused(5.0, 0).breaks(Rule::NobodyIsLost);
}

#[test]
fn what_got_no_answer_may_still_be_at_work() {
    let retried = || tale().refresh(1.0, 0, Outcome::Unknown).rotates(1.5, 0);
    retried().refused(1.9, 1).breaks_none();
    retried().refused(2.1, 1).breaks(Rule::NobodyIsLost);
    // Held up, it may be carried out when the grace period is over.
    let held_up = || retried().broken(0.9, 1.2, false, None);
    held_up().refused(2.1, 1).breaks_none();
    held_up().refused(9.0, 1).breaks_none();
}

#[test]
fn what_redis_was_away_for_from_beginning_to_end_was_not_carried_out() {
    let unanswered = |from, until| {
        let refresh = Request::Refresh { generation: 0 };
        tale().broken(1.0, 5.0, true, None).that(from, until, refresh, Outcome::Unavailable)
    };
    unanswered(1.2, 4.0).refused(6.0, 0).breaks(Rule::NobodyIsLost);
    unanswered(1.2, 5.0).refused(6.0, 0).breaks_none();
    unanswered(0.9, 2.0).refused(6.0, 0).breaks_none();
}
