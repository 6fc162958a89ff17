//! Rules 2 and 3: one successor, and ended stays ended.

use super::*;

#[test]
fn a_successor_of_another_generation_breaks_rule_2() {
    scenario().refresh(1.0, 0, tokens(2, 1000)).breaks(Rule::OneSuccessor);
    scenario().refresh(1.0, 0, tokens(0, 1000)).breaks(Rule::OneSuccessor);
}

#[test]
fn a_successor_of_another_session_or_user_breaks_rule_2() {
    let wrong = |change: fn(&mut TokenPair)| {
        let Outcome::Tokens(mut pair) = tokens(1, 1000) else { unreachable!() };
        change(&mut pair);
        scenario().refresh(1.0, 0, Outcome::Tokens(pair)).breaks(Rule::OneSuccessor);
    };
    wrong(|pair| pair.session = "another".into());
    wrong(|pair| pair.access_session = "another".into());
    wrong(|pair| pair.has_right_user = false);
}

#[test]
fn a_second_rotation_breaks_rule_2_unless_the_first_was_lost() {
    let twice = || scenario().rotates(1.0, 0).rotates(2.0, 0);
    twice().breaks(Rule::OneSuccessor);
    twice().wiped(1.5).breaks_none();
    twice().fault(1.5, 1.6, true, Some(0.5)).breaks_none();
    // Redis has kept the first rotation.
    twice().fault(1.5, 1.6, true, Some(1.2)).breaks(Rule::OneSuccessor);
    twice().wiped(0.5).breaks(Rule::OneSuccessor);
}

#[test]
fn a_refresh_after_an_acknowledged_end_breaks_rule_3_whatever_is_lost() {
    for end in [
        Request::End(EndMethod::Logout),
        Request::End(EndMethod::RevokeRefresh),
        Request::End(EndMethod::RevokeAccess),
        Request::End(EndMethod::Delete),
        Request::EndAll,
    ] {
        let ended = || scenario().operation(1.0, 1.1, end, Outcome::Done);
        ended().rotates(1.2, 0).breaks(Rule::EndedStaysEnded);
        ended().rotates(1.2, 0).wiped(1.15).breaks(Rule::EndedStaysEnded);
        ended().rotates(1.05, 0).breaks_none();
        for not_acknowledged in [Outcome::Unknown, Outcome::Unavailable] {
            let asked = || scenario().operation(1.0, 1.1, end, not_acknowledged.clone());
            asked().rotates(1.2, 0).breaks_none();
            asked().refused(1.2, 0).breaks_none();
        }
    }
}

#[test]
fn an_end_during_a_fault_takes_effect_a_few_seconds_after_the_fault() {
    let ended = || scenario().fault(0.9, 3.0, false, None).logout(1.0, Outcome::Done);
    ended().rotates(1.2, 0).breaks_none();
    ended().rotates(6.9, 0).breaks_none();
    ended().rotates(7.1, 0).breaks(Rule::EndedStaysEnded);
    // A second fault before every replica has learned of the end.
    ended().fault(6.0, 6.5, false, None).rotates(9.0, 0).breaks_none();
    ended().fault(6.0, 6.5, false, None).rotates(11.0, 0).breaks(Rule::EndedStaysEnded);
}

#[test]
fn a_slow_end_takes_effect_a_few_seconds_later() {
    let logout = Request::End(EndMethod::Logout);
    let slow = || scenario().operation(1.0, 2.1, logout, Outcome::Done);
    slow().rotates(2.2, 0).breaks_none();
    slow().rotates(6.2, 0).breaks(Rule::EndedStaysEnded);
}

#[test]
fn logout_everywhere_ends_the_sessions_of_the_user_that_have_begun() {
    let mut concurrent = scenario().operation(0.05, 0.2, Request::EndAll, Outcome::Done);
    concurrent.0.operations.rotate_left(1);
    Scenario(concurrent.0.clone()).rotates(1.0, 0).breaks_none();
    Scenario(concurrent.0).refused(1.0, 0).breaks_none();
    let logout = scenario().operation(1.0, 1.1, Request::EndAll, Outcome::Done);
    let mut refused = logout.refused(2.0, 0);
    refused.breaks_none();
    refused.0.operations[1].user = 1;
    refused.breaks(Rule::ProperUseAccepted);
}
