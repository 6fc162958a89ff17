//! Failures of one client address.

use futures_util::future::join_all;
use rstest_reuse::apply;
use shared::claims::SessionId;

use super::test_throttle::{
    LIMITS, TestThrottle, ada_from, ada_with_device, address, on_both_kinds,
};
use crate::{
    domain::throttle::{Cause, REFILL_MS, Settlement, token_ms},
    throttle::{Account, Attempt},
};

/// Fails once with each of `count` names that no user has.
async fn spray(it: &TestThrottle, last: u8, count: u32) {
    for number in 0..count {
        let name = format!("name{number}");
        let unknown = Account::Unknown;
        it.fail(&Attempt { account: unknown, name: name.as_bytes(), ..ada_from(last) }, 1).await;
    }
}

#[apply(on_both_kinds)]
async fn address_with_too_many_failures_is_refused_until_a_token_is_back(it: TestThrottle) {
    spray(&it, 1, LIMITS.per_address).await;
    let refusal = it.refused(&ada_from(1)).await;
    assert_eq!((refusal.cause, refusal.is_first), (Cause::Address, true));
    let token_ms = token_ms(LIMITS.per_address);
    assert!((0..=token_ms).contains(&refusal.retry_after_ms), "{refusal:?}");
    assert!(!it.refused(&ada_from(1)).await.is_first);
    it.fail(&ada_from(2), 1).await;
    it.advance_ms(refusal.retry_after_ms as u64 + 1);
    it.fail(&ada_from(1), 1).await;
    assert!(!it.refused(&ada_from(1)).await.is_first, "the episode goes on");
    it.advance_ms(REFILL_MS as u64);
    spray(&it, 1, LIMITS.per_address).await;
    assert!(it.refused(&ada_from(1)).await.is_first, "another episode");
}

#[apply(on_both_kinds)]
async fn success_gives_the_token_back(it: TestThrottle) {
    for _ in 0..3 * LIMITS.per_address {
        it.succeed(&ada_from(1)).await;
    }
    spray(&it, 1, LIMITS.per_address).await;
}

#[apply(on_both_kinds)]
async fn parallel_attempts_get_no_more_tokens_than_there_are(it: TestThrottle) {
    let names: Vec<String> = (0..50).map(|number| format!("name{number}")).collect();
    let attempts = names.iter().map(|name| Attempt {
        account: Account::Unknown,
        name: name.as_bytes(),
        ..ada_from(1)
    });
    let attempts: Vec<_> = attempts.collect();
    let answers = join_all(attempts.iter().map(|attempt| it.throttle.admit(attempt))).await;
    let mut admitted = 0;
    for admission in answers.into_iter().flatten() {
        admitted += 1;
        it.throttle.settle(admission, Settlement::Failed).await;
    }
    assert_eq!(admitted, LIMITS.per_address);
    assert_eq!(it.refused(&attempts[0]).await.cause, Cause::Address);
    // An attempt that is refused for its address is not counted for its name.
    it.fail(&Attempt { address: address(2), ..attempts[49] }, LIMITS.per_name).await;
}

#[apply(on_both_kinds)]
async fn clients_known_to_the_user_are_exempt(it: TestThrottle) {
    it.succeed(&ada_from(1)).await;
    spray(&it, 1, LIMITS.per_address).await;
    let grace = Account::User { id: "grace's id", revision: 0 };
    let grace = Attempt { account: grace, name: b"grace", ..ada_from(1) };
    it.refused(&grace).await;
    it.succeed(&Attempt { device: Some(SessionId::generate()), ..grace }).await;
    it.succeed(&ada_from(1)).await;
    it.succeed(&ada_with_device(1, SessionId::generate())).await;
}

#[apply(on_both_kinds)]
async fn attempts_without_a_name_are_counted_for_their_address(it: TestThrottle) {
    for _ in 0..LIMITS.per_address {
        let admission = it.throttle.admit_address(address(1)).await.unwrap();
        it.throttle.settle(admission, Settlement::Failed).await;
    }
    assert!(it.throttle.admit_address(address(1)).await.is_err());
    it.refused(&ada_from(1)).await;
    assert!(it.throttle.admit_address(address(2)).await.is_ok());
}
