//! Invented histories, in each of which `check` must find a certain violation or none.

mod grace_period;
mod refusals;
mod sessions;

use std::time::Duration;

use super::Rule;
use crate::history::record::{
    Disturbance, EndMethod, History, Moment, Operation, Outcome, RedisAway, Request, TokenPair,
};

fn at(seconds: f64) -> Moment {
    Duration::from_secs_f64(seconds)
}

/// Returns an answer with tokens.
fn tokens(generation: u64, rotated_at_ms: i64) -> Outcome {
    let session = || "the-session".to_owned();
    Outcome::Tokens(TokenPair {
        session: session(),
        access_session: session(),
        has_right_user: true,
        generation,
        rotated_at_ms,
    })
}

/// Begins a scenario with a login and a grace period of 3 seconds. Times are in seconds.
fn scenario() -> Scenario {
    let scenario = Scenario(History { grace: at(3.0), ..History::default() });
    scenario.operation(0.0, 0.1, Request::Login, tokens(0, 0))
}

/// A history with one session.
struct Scenario(History);

impl Scenario {
    fn operation(mut self, from: f64, until: f64, request: Request, outcome: Outcome) -> Self {
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

    /// Adds a refresh with a token of this generation, which takes a hundredth of a second.
    fn refresh(self, from: f64, generation: u64, outcome: Outcome) -> Self {
        self.operation(from, from + 0.01, Request::Refresh { generation }, outcome)
    }

    /// Adds a refresh that rotates the token.
    fn rotates(self, from: f64, generation: u64) -> Self {
        self.retries(from, generation, from)
    }

    /// Adds a refresh that is answered with the rotation at `first`.
    fn retries(self, from: f64, generation: u64, first: f64) -> Self {
        self.refresh(from, generation, tokens(generation + 1, (first * 1000.0) as i64))
    }

    /// Adds a refused refresh.
    fn refused(self, from: f64, generation: u64) -> Self {
        self.refresh(from, generation, Outcome::Refused)
    }

    /// Adds a logout, which takes a hundredth of a second.
    fn logout(self, from: f64, outcome: Outcome) -> Self {
        self.operation(from, from + 0.01, Request::End(EndMethod::Logout), outcome)
    }

    /// Adds a fault.
    fn fault(mut self, from: f64, until: f64, is_redis_away: bool, kept: Option<f64>) -> Self {
        let from = at(from);
        let until = at(until);
        self.0.disturbances.push(Disturbance {
            what: "a fault".to_owned(),
            from,
            until,
            delays_requests: true,
            redis_away: is_redis_away.then_some(RedisAway { replica: None, from, until }),
            loses_after: kept.map(at),
        });
        self
    }

    /// Adds a fault in which Redis loses all data.
    fn wiped(self, when: f64) -> Self {
        self.fault(when, when + 0.01, false, Some(0.0))
    }

    /// Asserts that the history breaks this rule and no other.
    #[track_caller]
    fn breaks(&self, rule: Rule) {
        let report = self.0.check();
        let broken: Vec<Rule> = report.violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(broken, [rule], "{:#?}", self.0.operations);
    }

    /// Asserts that the history breaks no rule.
    #[track_caller]
    fn breaks_none(&self) {
        let report = self.0.check();
        assert!(report.violations.is_empty(), "{report}");
    }
}

#[test]
fn a_session_that_is_used_properly_breaks_no_rule() {
    let used = scenario().rotates(1.0, 0).retries(2.0, 0, 1.0).rotates(9.0, 1);
    let ended = used.logout(10.0, Outcome::Done).refused(11.0, 2);
    ended.logout(12.0, Outcome::Done).breaks_none();
}

#[test]
fn an_unexpected_answer_breaks_rule_1() {
    scenario().refresh(1.0, 0, Outcome::Unexpected(500)).breaks(Rule::ExpectedAnswers);
    scenario().refresh(1.0, 0, Outcome::Done).breaks(Rule::ExpectedAnswers);
    scenario().logout(1.0, tokens(1, 0)).breaks(Rule::ExpectedAnswers);
    let not_found = Outcome::Unexpected(404);
    scenario().operation(1.0, 1.1, Request::EndAll, not_found).breaks(Rule::ExpectedAnswers);
}

#[test]
fn a_503_after_the_last_fault_breaks_rule_1() {
    let mut scenario = scenario().refresh(1.0, 0, Outcome::Unavailable);
    scenario.breaks_none();
    scenario.0.healthy_since = Some(at(0.5));
    scenario.breaks(Rule::ExpectedAnswers);
}
