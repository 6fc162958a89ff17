//! Rules 4 and 7: refused stays refused, and proper use is accepted.

use super::*;

#[test]
fn a_refresh_after_a_refusal_breaks_rule_4() {
    // A reuse: the grace period of generation 0 is over.
    let refused = || scenario().rotates(1.0, 0).refused(9.0, 0);
    refused().breaks_none();
    refused().rotates(10.0, 1).breaks(Rule::RefusedStaysRefused);
}

#[test]
fn a_refusal_that_is_in_the_database_is_not_lost() {
    let refused = || scenario().rotates(1.0, 0).refused(9.0, 0);
    refused().wiped(20.0).rotates(21.0, 1).breaks(Rule::RefusedStaysRefused);
    // The refusal may not have reached the database.
    let during_fault = || refused().fault(8.0, 9.5, false, None);
    during_fault().wiped(20.0).rotates(21.0, 1).breaks_none();
    during_fault().rotates(21.0, 1).breaks(Rule::RefusedStaysRefused);
    // Another request may have ended the session, and its end may not have reached the database.
    let unknown = scenario().rotates(1.0, 0).refresh(8.9, 0, Outcome::Unknown).refused(9.0, 0);
    unknown.wiped(20.0).rotates(21.0, 1).breaks_none();
    let during_fault = scenario().rotates(1.0, 0).refused(8.0, 0).fault(7.9, 8.1, false, None);
    during_fault.refused(15.0, 1).wiped(20.0).rotates(21.0, 1).breaks_none();
    let proper = scenario().refresh(1.0, 0, Outcome::Unknown).rotates(1.5, 0).refused(9.0, 0);
    proper.wiped(20.0).rotates(21.0, 1).breaks(Rule::RefusedStaysRefused);
}

#[test]
fn a_refusal_of_a_properly_used_token_breaks_rule_7() {
    scenario().refused(1.0, 0).breaks(Rule::ProperUseAccepted);
    scenario().rotates(1.0, 0).refused(9.0, 1).breaks(Rule::ProperUseAccepted);
    scenario().rotates(1.0, 0).wiped(2.0).refused(9.0, 1).breaks(Rule::ProperUseAccepted);
    // A retry within the grace period, and one that may be too late.
    scenario().rotates(1.0, 0).refused(3.8, 0).breaks(Rule::ProperUseAccepted);
    scenario().rotates(1.0, 0).refused(3.95, 0).breaks_none();
}

#[test]
fn only_a_request_to_end_an_ended_session_may_be_refused() {
    scenario().logout(1.0, Outcome::Refused).breaks(Rule::ProperUseAccepted);
    let ended = scenario().logout(1.0, Outcome::Done);
    let delete = Request::End(EndMethod::Delete);
    ended.operation(2.0, 2.1, delete, Outcome::Refused).breaks_none();
}

#[test]
fn a_retry_without_an_earlier_answer_is_proper_within_the_grace_period() {
    for no_answer in [Outcome::Unknown, Outcome::Unavailable] {
        let unanswered = || scenario().refresh(1.0, 0, no_answer.clone());
        unanswered().refused(2.0, 0).breaks(Rule::ProperUseAccepted);
        unanswered().rotates(2.0, 0).breaks_none();
        unanswered().refused(5.0, 0).breaks_none();
    }
    let unsent = scenario().refresh(1.0, 0, Outcome::Unsent);
    unsent.refused(5.0, 0).breaks(Rule::ProperUseAccepted);
}

#[test]
fn a_request_without_an_answer_may_still_be_executed() {
    let retried = || scenario().refresh(1.0, 0, Outcome::Unknown).rotates(1.5, 0);
    retried().refused(1.9, 1).breaks_none();
    retried().refused(2.1, 1).breaks(Rule::ProperUseAccepted);
    // A delayed request may be executed after the grace period.
    let delayed = || retried().fault(0.9, 1.2, false, None);
    delayed().refused(2.1, 1).breaks_none();
    delayed().refused(9.0, 1).breaks_none();
}

#[test]
fn a_request_was_not_executed_if_redis_was_away_the_whole_time() {
    let unanswered = |from, until| {
        let refresh = Request::Refresh { generation: 0 };
        let fault = scenario().fault(1.0, 5.0, true, None);
        fault.operation(from, until, refresh, Outcome::Unavailable)
    };
    unanswered(1.2, 4.0).refused(6.0, 0).breaks(Rule::ProperUseAccepted);
    unanswered(1.2, 5.0).refused(6.0, 0).breaks_none();
    unanswered(0.9, 2.0).refused(6.0, 0).breaks_none();
}
