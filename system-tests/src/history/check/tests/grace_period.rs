//! Rules 5 and 6: the end of the grace period.

use super::*;

#[test]
fn a_retry_after_the_grace_period_breaks_rule_5() {
    scenario().rotates(1.0, 0).retries(4.0, 0, 1.0).breaks_none();
    let late = || scenario().rotates(1.0, 0).retries(4.2, 0, 1.0);
    late().breaks(Rule::GracePeriodEnds);
    late().wiped(2.0).breaks_none();
    late().fault(2.0, 2.1, true, Some(0.9)).breaks_none();
    // The time of a fault is no part of the grace period.
    late().fault(2.0, 2.1, true, Some(1.5)).breaks_none();
    let much_later = scenario().rotates(1.0, 0).retries(12.0, 0, 1.0);
    much_later.fault(2.0, 2.1, true, Some(1.5)).breaks(Rule::GracePeriodEnds);
}

#[test]
fn a_retry_after_the_use_of_the_successor_breaks_rule_6() {
    let used = || scenario().rotates(1.0, 0).rotates(1.5, 1);
    used().retries(2.0, 0, 1.0).breaks(Rule::SuccessorUsed);
    // Concurrent with the use: either can be first.
    used().retries(1.505, 0, 1.0).breaks_none();
    used().refused(1.505, 0).breaks_none();
    used().wiped(1.7).rotates(2.0, 0).breaks_none();
    used().rotates(1.6, 2).retries(2.0, 0, 1.0).breaks(Rule::SuccessorUsed);
}
