//! Counters for a test, and a template that runs a test against both kinds.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use shared::{claims::SessionId, clock::Clock};
use test_support::{redis_url, unique};

use crate::{
    domain::{
        address::AddressPrefix,
        throttle::{Limits, Refusal, Settlement},
    },
    redis::{NO_CERTIFICATES, Server},
    throttle::{Account, Admission, Attempt, Throttle, Throttled},
};

pub const LIMITS: Limits = Limits { per_name: 3, per_address: 20 };
const SECRET: [u8; 32] = [7; 32];
/// Maximum time that an attempt waits for pending ones. Attempts that wait in these tests do so in
/// vain, or for others that are settled at once.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Counters and their clock.
pub struct TestThrottle {
    pub throttle: Throttle,
    pub clock: Clock,
}

/// Runs a test against both kinds of counters.
#[rstest_reuse::template]
#[rstest::rstest]
#[case::local(TestThrottle::local())]
#[case::redis(TestThrottle::redis())]
#[actix_web::test]
pub async fn on_both_kinds(#[case] it: TestThrottle) {}

impl TestThrottle {
    pub fn local() -> Self {
        Self::with_limits(LIMITS, None)
    }

    pub fn redis() -> Self {
        Self::with_limits(LIMITS, Some(&redis_url()))
    }

    pub fn with_limits(limits: Limits, redis: Option<&str>) -> Self {
        let clock = Clock::system();
        let prefix = unique("test:");
        let server = redis.map(|url| Server::parse(url, &NO_CERTIFICATES).unwrap());
        let redis = server.map(|server| (server, prefix.as_str(), Duration::from_secs(5)));
        let mut throttle = Throttle::new(limits, &SECRET, redis, clock.clone());
        throttle.max_wait = MAX_WAIT;
        Self { throttle, clock }
    }

    pub fn advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub async fn admit(&self, attempt: &Attempt<'_>) -> Result<Admission, Throttled> {
        self.throttle.admit(attempt).await
    }

    /// Makes an attempt, which must be admitted, and settles it.
    pub async fn settled(&self, attempt: &Attempt<'_>, settlement: Settlement) {
        let admission = self.admit(attempt).await.unwrap();
        self.throttle.settle(admission, settlement).await;
    }

    pub async fn fail(&self, attempt: &Attempt<'_>, times: u32) {
        for _ in 0..times {
            self.settled(attempt, Settlement::Failed).await;
        }
    }

    pub async fn succeed(&self, attempt: &Attempt<'_>) {
        self.settled(attempt, Settlement::Succeeded).await;
    }

    /// Makes an attempt, which must be refused.
    pub async fn refused(&self, attempt: &Attempt<'_>) -> Refusal {
        match self.admit(attempt).await {
            Err(Throttled::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

pub fn address(last: u8) -> AddressPrefix {
    AddressPrefix::of(Some(&IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).to_string()))
}

/// Returns an attempt to log in as ada from an address.
pub fn ada_from(last: u8) -> Attempt<'static> {
    Attempt {
        account: Account::User { id: "ada's id", revision: 0 },
        name: b"ada",
        device: None,
        address: address(last),
    }
}

/// Returns an attempt to log in as ada from an address, with a token of an earlier login.
pub fn ada_with_device(last: u8, device: SessionId) -> Attempt<'static> {
    Attempt { device: Some(device), ..ada_from(last) }
}
