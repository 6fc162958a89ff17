//! Failures in a row with one name.

use futures_util::future::join_all;
use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_throttle::{
    LIMITS, TestThrottle, ada_from, ada_with_device, address, on_both_kinds,
};
use crate::{
    domain::throttle::{Cause, KNOWN_PENDING_MS, Limits, MAX_FAILURES, PENDING_MS, Settlement},
    throttle::{Account, Attempt, Throttled},
};

const DAY_MS: u64 = 86_400_000;

#[apply(on_both_kinds)]
async fn failures_beyond_the_limit_are_delayed_for_longer_and_longer(it: TestThrottle) {
    let ada = ada_from(1);
    it.fail(&ada, LIMITS.per_name).await;
    for delay_ms in [5000, 10_000, 20_000, 40_000] {
        let refusal = it.refused(&ada).await;
        assert_eq!(refusal.cause, Cause::Delayed);
        assert_eq!(refusal.is_first, delay_ms == 5000);
        let waited = delay_ms - refusal.retry_after_ms;
        assert!((0..delay_ms).contains(&waited), "{refusal:?}");
        it.advance_ms(refusal.retry_after_ms as u64 + 1);
        it.fail(&ada, 1).await;
    }
    // The next address is a stranger too, and another name is not affected.
    it.refused(&ada_from(2)).await;
    it.fail(&Attempt { name: b"ada@example.com", ..ada }, 1).await;
}

#[apply(on_both_kinds)]
async fn unknown_names_are_counted_like_known_ones(it: TestThrottle) {
    let unknown = |name| Attempt { account: Account::Unknown, name, ..ada_from(1) };
    it.fail(&unknown(b"unknown"), LIMITS.per_name).await;
    let refusal = it.refused(&unknown(b"unknown")).await;
    assert_eq!((refusal.cause, refusal.is_first), (Cause::Delayed, true));
    it.fail(&unknown(b"another"), LIMITS.per_name).await;
}

#[apply(on_both_kinds)]
async fn name_is_locked_after_the_maximum_of_failures(it: TestThrottle) {
    for number in 0..MAX_FAILURES {
        it.fail(&ada_from(number as u8), 1).await;
        it.advance_ms(DAY_MS / 24);
    }
    it.advance_ms(20 * DAY_MS);
    let refusal = it.refused(&ada_from(100)).await;
    assert_eq!((refusal.cause, refusal.is_first), (Cause::Locked, true));
    assert!(!it.refused(&ada_from(101)).await.is_first);
    // A change of the user, such as a reset of the password, starts new counters.
    let changed = Account::User { id: "ada's id", revision: 1 };
    it.succeed(&Attempt { account: changed, ..ada_from(100) }).await;
}

#[apply(on_both_kinds)]
async fn success_resets_the_counter(it: TestThrottle) {
    let ada = ada_from(1);
    for _ in 0..3 {
        it.fail(&ada, LIMITS.per_name - 1).await;
        it.succeed(&ada).await;
    }
    it.fail(&ada, LIMITS.per_name).await;
    it.refused(&ada).await;
}

#[apply(on_both_kinds)]
async fn parallel_attempts_get_no_more_tries_than_attempts_in_a_row(it: TestThrottle) {
    let ada = ada_from(1);
    let attempts = join_all((0..50).map(|_| it.throttle.admit(&ada)));
    let answers = attempts.await;
    let admitted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(admitted, LIMITS.per_name as usize);
    for answer in answers {
        match answer {
            Ok(admission) => it.throttle.settle(admission, Settlement::Failed).await,
            Err(why) => assert_eq!(why, Throttled::Busy),
        }
    }
    assert_eq!(it.refused(&ada).await.cause, Cause::Delayed);
}

#[apply(on_both_kinds)]
async fn attempts_that_wait_are_admitted_once_the_pending_ones_succeed(it: TestThrottle) {
    let ada = ada_from(1);
    let attempts = (0..10).map(async |_| {
        let admission = it.throttle.admit(&ada).await.unwrap();
        tokio::task::yield_now().await;
        it.throttle.settle(admission, Settlement::Succeeded).await;
    });
    join_all(attempts).await;
    it.fail(&ada, LIMITS.per_name).await;
}

#[apply(on_both_kinds)]
async fn attempt_without_a_verdict_is_given_back(it: TestThrottle) {
    let ada = ada_from(1);
    for _ in 0..5 {
        it.settled(&ada, Settlement::Cancelled).await;
    }
    it.fail(&ada, LIMITS.per_name).await;
}

#[apply(on_both_kinds)]
async fn attempts_of_a_crashed_replica_count_as_failed(it: TestThrottle) {
    let ada = ada_from(1);
    for _ in 0..LIMITS.per_name {
        drop(it.admit(&ada).await.unwrap());
    }
    assert_eq!(it.admit(&ada).await.unwrap_err(), Throttled::Busy);
    it.advance_ms(PENDING_MS as u64 + 1);
    it.fail(&ada, 1).await;
    assert_eq!(it.refused(&ada).await.cause, Cause::Delayed);
}

#[apply(on_both_kinds)]
async fn attempts_of_a_known_client_are_cancelled_if_their_replica_crashed(it: TestThrottle) {
    let ada = ada_from(1);
    it.succeed(&ada).await;
    for _ in 0..LIMITS.per_name {
        drop(it.admit(&ada).await.unwrap());
    }
    assert_eq!(it.admit(&ada).await.unwrap_err(), Throttled::Busy);
    it.advance_ms(KNOWN_PENDING_MS as u64 + 1);
    it.fail(&ada, LIMITS.per_name).await;
    assert_eq!(it.refused(&ada).await.cause, Cause::Delayed);
}

#[apply(on_both_kinds)]
async fn late_failures_of_a_known_client_count(it: TestThrottle) {
    let ada = ada_from(1);
    it.succeed(&ada).await;
    let mut late = Vec::new();
    for _ in 0..LIMITS.per_name {
        late.push(it.admit(&ada).await.unwrap());
    }
    it.advance_ms(KNOWN_PENDING_MS as u64 + 1);
    it.settled(&ada, Settlement::Cancelled).await;
    for admission in late {
        it.throttle.settle(admission, Settlement::Failed).await;
    }
    assert_eq!(it.refused(&ada).await.cause, Cause::Delayed);
}

#[apply(on_both_kinds)]
async fn stranger_does_not_lock_out_a_known_address(it: TestThrottle) {
    it.succeed(&ada_from(1)).await;
    it.fail(&ada_from(2), LIMITS.per_name).await;
    it.refused(&ada_from(2)).await;
    it.fail(&ada_from(1), LIMITS.per_name).await;
    assert!(it.refused(&ada_from(1)).await.is_first);
    it.advance_ms(DAY_MS);
    it.succeed(&ada_from(1)).await;
    // The success at the known address does not reset the counter of strangers.
    it.fail(&ada_from(2), 1).await;
    it.refused(&ada_from(2)).await;
}

#[apply(on_both_kinds)]
async fn addresses_of_the_last_eight_logins_are_known(it: TestThrottle) {
    for last in 1..=9 {
        it.succeed(&ada_from(last)).await;
    }
    it.fail(&ada_from(100), LIMITS.per_name).await;
    it.refused(&ada_from(1)).await;
    for last in 2..=9 {
        it.fail(&ada_from(last), 1).await;
    }
    // The address of one user's login is not known for another user.
    let grace = Account::User { id: "grace's id", revision: 0 };
    let grace = |last| Attempt { account: grace, name: b"grace", ..ada_from(last) };
    it.fail(&grace(100), LIMITS.per_name).await;
    it.refused(&grace(2)).await;
}

#[apply(on_both_kinds)]
async fn each_known_device_has_its_own_counter(it: TestThrottle) {
    let [mine, other] = [SessionId::generate(), SessionId::generate()];
    it.fail(&ada_from(1), LIMITS.per_name).await;
    it.refused(&ada_from(1)).await;
    it.fail(&ada_with_device(1, other), LIMITS.per_name).await;
    it.refused(&ada_with_device(1, other)).await;
    it.succeed(&ada_with_device(1, mine)).await;
}

#[apply(on_both_kinds)]
async fn counter_is_forgotten_after_thirty_days_without_an_attempt(it: TestThrottle) {
    // Redis' own expiry does not follow the test's clock.
    if it.throttle.redis.is_some() {
        return;
    }
    it.fail(&ada_from(1), LIMITS.per_name).await;
    it.advance_ms(31 * DAY_MS);
    it.fail(&ada_from(1), LIMITS.per_name).await;
}

#[actix_web::test]
async fn limit_of_zero_is_no_limit() {
    let it = TestThrottle::with_limits(Limits { per_name: 0, per_address: 0 }, None);
    it.fail(&ada_from(1), 200).await;
    let unknown = Attempt { account: Account::Unknown, address: address(1), ..ada_from(1) };
    it.fail(&unknown, 200).await;
}
