//! Ten thousand operations while everything breaks, held against the rules of `system_tests::history`.

use std::{env, time::Instant};

use system_tests::history::{Memory, Plan, check::Rule, run};

/// How many steps each client takes in each history. A step is one operation at least.
const STEPS: usize = 650;

/// Runs a history and checks it. `HISTORY_SEED` runs one again, as far as a seed decides it.
async fn breaks_no_rule(memory: Memory) {
    let seed = match env::var("HISTORY_SEED") {
        Ok(seed) => seed.parse().expect("HISTORY_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("HISTORY_SEED={seed} ({memory:?})");
    let began = Instant::now();
    let history = run(Plan::from_seed(seed, STEPS), memory).await;
    let report = history.check();
    let (operations, broken) = (history.operations.len(), history.disturbances.len());
    history.disturbances.iter().for_each(|broken| println!("{broken}"));
    println!("{operations} operations, {broken} disturbances, {:?}\n{report}", began.elapsed());
    assert!(report.violations.is_empty(), "HISTORY_SEED={seed}: {} sessions", report.violations.len());
    assert!(operations >= 5000);
    // A history in which nothing could have been wrong shows nothing.
    let judged = |rule| report.judged.get(&rule).copied().unwrap_or_default();
    assert!(judged(Rule::NobodyIsLost) > report.answered / 4);
    for rule in [Rule::Ended, Rule::RefusedForGood, Rule::GraceEnds, Rule::ChildUsed] {
        assert!(judged(rule) > 0, "{rule:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_an_append_only_redis_breaks_no_rule() {
    breaks_no_rule(Memory::AppendOnly).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_a_redis_that_comes_back_with_old_data_breaks_no_rule() {
    breaks_no_rule(Memory::Snapshots).await;
}
