//! Thousands of operations while parts of the system fail, checked against the rules of
//! `system_tests::history`.

use std::{env, time::Instant};

use system_tests::history::{Persistence, Plan, check::Rule, run};

/// Number of steps of each client in a history. A step is at least one operation.
const STEPS: usize = 650;

/// Runs a history and checks it. The environment variable `HISTORY_SEED` repeats the decisions of
/// an earlier history.
async fn assert_no_rule_is_broken(persistence: Persistence) {
    let seed = match env::var("HISTORY_SEED") {
        Ok(seed) => seed.parse().expect("HISTORY_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("HISTORY_SEED={seed} ({persistence:?})");
    let began = Instant::now();
    let history = run(Plan::from_seed(seed, STEPS), persistence).await;
    let report = history.check();
    let operations = history.operations.len();
    let faults = history.disturbances.len();
    history.disturbances.iter().for_each(|fault| println!("{fault}"));
    println!("{operations} operations, {faults} faults, {:?}\n{report}", began.elapsed());
    let violations = report.violations.len();
    assert!(report.violations.is_empty(), "HISTORY_SEED={seed}: {violations} sessions");
    assert!(operations >= 5000);
    // A history to which a rule does not apply proves nothing about the rule.
    let judged = |rule| report.judged.get(&rule).copied().unwrap_or_default();
    assert!(judged(Rule::ProperUseAccepted) > report.answered / 4);
    for rule in [
        Rule::EndedStaysEnded,
        Rule::RefusedStaysRefused,
        Rule::GracePeriodEnds,
        Rule::SuccessorUsed,
    ] {
        assert!(judged(rule) > 0, "{rule:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_an_append_only_redis_breaks_no_rule() {
    assert_no_rule_is_broken(Persistence::AppendOnly).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_a_redis_that_restarts_with_old_data_breaks_no_rule() {
    assert_no_rule_is_broken(Persistence::Snapshots).await;
}
