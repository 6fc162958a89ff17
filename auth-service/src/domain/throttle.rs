//! The rules by which failed attempts to log in are throttled.
//!
//! An attempt is counted before its password is hashed, as pending, so that parallel attempts get
//! no more tries than attempts in a row. Its outcome settles it. The scripts of `throttle/` have the
//! same rules, and one suite of tests runs against both.

/// Maximum number of failures in a row with one name. A user has two names, and NIST SP 800-63B-4
/// section 3.2.2 allows 100 failures in a row per account.
pub const MAX_FAILURES: u32 = 50;

/// Delay after the first failure that is answered with a delay, in milliseconds. Each further
/// failure doubles the delay.
pub const FIRST_DELAY_MS: i64 = 5_000;

/// Maximum delay, in milliseconds.
pub const MAX_DELAY_MS: i64 = 900_000;

/// Time that a client whose name is locked waits before its next attempt, in milliseconds.
pub const LOCKED_RETRY_MS: i64 = 3_600_000;

/// Time after which an attempt without an outcome counts as failed, in milliseconds: its replica
/// has crashed. Longer than a hash at the end of a full queue takes.
pub const PENDING_MS: i64 = 120_000;

/// Time after which an attempt of a known client without an outcome is cancelled, in milliseconds.
/// Shorter than the time that attempts wait for pending ones, so that a crashed replica refuses no
/// user. A late failure counts all the same.
pub const KNOWN_PENDING_MS: i64 = 5_000;

/// Time in which an empty bucket of an address becomes full again, in milliseconds.
pub const REFILL_MS: i64 = 3_600_000;

/// Numbers of failures that are allowed without a throttle. Zero: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failures in a row with one name.
    pub per_name: u32,
    /// Failures of one client address within an hour.
    pub per_address: u32,
}

/// Why an attempt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The delay after the last failure with the name is not over.
    Delayed,
    /// Too many attempts with the name have failed in a row.
    Locked,
    /// Too many attempts of the client address have failed.
    Address,
}

impl Cause {
    pub const ALL: [Self; 3] = [Self::Delayed, Self::Locked, Self::Address];

    /// Returns the value of the label in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Locked => "locked",
            Self::Address => "address",
        }
    }
}

/// Decision on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The attempt is counted as pending.
    Admitted,
    /// Pending attempts hold all tries that are left. Their outcome decides.
    Wait,
    Refused(Refusal),
}

/// A refused attempt, which is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub cause: Cause,
    /// Time after which an attempt may be admitted.
    pub retry_after_ms: i64,
    /// Whether this is the first refusal for this cause since the counter was reset.
    pub is_first: bool,
}

/// Outcome of an admitted attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    Succeeded,
    Failed,
    /// The password was not verified, so the try is given back.
    Cancelled,
}

/// The clients whose attempts one counter of a name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Clients that are not known to the user.
    Strangers,
    /// A device or an address from which the user has logged in before.
    Known,
}

/// Failures in a row with one name, of clients in one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameCounter {
    /// Number of failures, pending attempts included.
    failures: u32,
    pending: u32,
    /// Time of the last admission.
    admitted_at_ms: i64,
    blocked_until_ms: i64,
    /// Highest cause that a refusal has announced: 0 none, 1 delayed, 2 locked.
    announced: u8,
}

impl NameCounter {
    /// Decides on an attempt. `limit` is the number of failures without a delay.
    pub fn admit(&mut self, lane: Lane, now_ms: i64, limit: u32) -> Verdict {
        self.end_lost_attempts(lane, now_ms, limit);
        if self.failures >= limit {
            if self.pending > 0 {
                return Verdict::Wait;
            }
            if self.failures >= MAX_FAILURES {
                return self.refuse(Cause::Locked, LOCKED_RETRY_MS);
            }
            if now_ms < self.blocked_until_ms {
                return self.refuse(Cause::Delayed, self.blocked_until_ms - now_ms);
            }
        }
        self.failures += 1;
        self.pending += 1;
        self.admitted_at_ms = now_ms;
        Verdict::Admitted
    }

    fn refuse(&mut self, cause: Cause, retry_after_ms: i64) -> Verdict {
        let level = if cause == Cause::Locked { 2 } else { 1 };
        let is_first = self.announced < level;
        self.announced = self.announced.max(level);
        Verdict::Refused(Refusal { cause, retry_after_ms, is_first })
    }

    /// Settles pending attempts that have had no outcome for too long: cancels those of known
    /// clients, and fails the others.
    fn end_lost_attempts(&mut self, lane: Lane, now_ms: i64, limit: u32) {
        let age_ms = now_ms - self.admitted_at_ms;
        if self.pending == 0 {
            return;
        }
        if lane == Lane::Known && age_ms > KNOWN_PENDING_MS {
            self.failures -= self.pending.min(self.failures);
            self.pending = 0;
        } else if age_ms > PENDING_MS {
            self.pending = 0;
            self.block(self.admitted_at_ms, limit);
        }
    }

    /// Settles an attempt that was admitted.
    pub fn settle(&mut self, lane: Lane, settlement: Settlement, now_ms: i64, limit: u32) {
        if lane == Lane::Known && self.pending == 0 {
            // The attempt was cancelled because its outcome is late.
            self.pending = 1;
            self.failures += 1;
        }
        self.pending = self.pending.saturating_sub(1);
        match settlement {
            Settlement::Succeeded => {
                *self = Self {
                    failures: self.pending,
                    pending: self.pending,
                    admitted_at_ms: self.admitted_at_ms,
                    ..Self::default()
                };
            }
            Settlement::Failed => self.block(now_ms, limit),
            Settlement::Cancelled => self.failures = self.failures.saturating_sub(1),
        }
    }

    /// Returns whether the counter need not be kept.
    pub fn is_zero(&self) -> bool {
        self.failures == 0
    }

    fn block(&mut self, now_ms: i64, limit: u32) {
        let settled = self.failures - self.pending.min(self.failures);
        if settled >= limit {
            self.blocked_until_ms = self.blocked_until_ms.max(now_ms + delay_ms(settled - limit));
        }
    }
}

/// Returns the delay after a failure, the first that is answered with a delay having number 0.
fn delay_ms(number: u32) -> i64 {
    FIRST_DELAY_MS.saturating_mul(1 << number.min(20)).min(MAX_DELAY_MS)
}

/// Failures of one client address: a token bucket. It holds the time at which the bucket is full,
/// which each failure moves by the time that a token takes to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressBucket {
    full_at_ms: i64,
    pending: u32,
    /// Time of the last admission.
    admitted_at_ms: i64,
    is_announced: bool,
}

impl AddressBucket {
    /// Decides on an attempt. `limit` is the number of tokens in a full bucket.
    pub fn admit(&mut self, now_ms: i64, limit: u32) -> Verdict {
        let token_ms = token_ms(limit);
        if self.pending > 0 && now_ms - self.admitted_at_ms > PENDING_MS {
            self.pending = 0;
        }
        self.full_at_ms = self.full_at_ms.max(now_ms);
        let excess_ms = self.full_at_ms - now_ms + token_ms - REFILL_MS;
        if excess_ms > 0 && self.pending > 0 {
            return Verdict::Wait;
        }
        if self.full_at_ms - now_ms <= REFILL_MS / 2 {
            self.is_announced = false;
        }
        if excess_ms > 0 {
            let is_first = !self.is_announced;
            self.is_announced = true;
            let cause = Cause::Address;
            return Verdict::Refused(Refusal { cause, retry_after_ms: excess_ms, is_first });
        }
        self.full_at_ms += token_ms;
        self.pending += 1;
        self.admitted_at_ms = now_ms;
        Verdict::Admitted
    }

    /// Settles an attempt that was admitted. A success gives the token back.
    pub fn settle(&mut self, settlement: Settlement, limit: u32) {
        self.pending = self.pending.saturating_sub(1);
        if settlement != Settlement::Failed {
            self.full_at_ms -= token_ms(limit);
        }
    }

    /// Returns whether the bucket need not be kept.
    pub fn is_full(&self, now_ms: i64) -> bool {
        self.pending == 0 && self.full_at_ms <= now_ms
    }
}

/// Returns the time that a token takes to come back.
pub fn token_ms(limit: u32) -> i64 {
    REFILL_MS / i64::from(limit.max(1))
}
