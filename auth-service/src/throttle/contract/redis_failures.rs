//! Outages of Redis.

use test_support::RedisServer;

use super::test_throttle::{LIMITS, TestThrottle, ada_from};
use crate::domain::throttle::Settlement;

#[actix_web::test]
async fn this_process_counts_while_redis_is_away() {
    let mut redis = RedisServer::start();
    let it = TestThrottle::with_limits(LIMITS, Some(&redis.url()));
    it.fail(&ada_from(1), LIMITS.per_name).await;
    it.refused(&ada_from(1)).await;
    let pending = it.admit(&ada_from(9)).await;
    assert!(pending.is_err());
    redis.stop();
    // Counted anew, and limited as well.
    it.fail(&ada_from(1), LIMITS.per_name).await;
    it.refused(&ada_from(1)).await;
}

#[actix_web::test]
async fn attempt_that_redis_counted_may_be_settled_during_the_outage() {
    let mut redis = RedisServer::start();
    let it = TestThrottle::with_limits(LIMITS, Some(&redis.url()));
    let admission = it.admit(&ada_from(1)).await.unwrap();
    redis.stop();
    it.throttle.settle(admission, Settlement::Succeeded).await;
    it.fail(&ada_from(1), LIMITS.per_name).await;
}
