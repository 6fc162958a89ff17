//! Histories: what clients observe while parts of the system fail, checked against the promises of
//! the system.
//!
//! Several clients send valid and invalid requests to two replicas, while Redis, the database, the
//! replicas and the connections fail and recover. A seed decides what each client does and what
//! fails when (`plan`). `run` puts the parts together: `client` chooses requests, `api` sends them,
//! `faults` injects faults. `api`, `faults` and `run` write the history (`record`), which `check`
//! compares with the rules below.
//!
//! A rule reports only what is certainly wrong, whatever happened between a request and its answer.
//! Where clocks and connections leave a doubt, the rule assumes that the service is right.
//!
//! 1. **Expected answers**: tokens, success, 401 or 503. Once all faults are over, no 503.
//! 2. **One successor**: a refresh token of generation *g* is answered with tokens of the same
//!    session and user, of generation *g* + 1. All answers to *g* name the same rotation.
//! 3. **Ended stays ended**: after a logout or revocation is acknowledged, no refresh that begins
//!    later is accepted. If a fault was active when the session ended, a replica may learn of the
//!    end only from the database, a few seconds after the database and Redis are back
//!    (`docs/decisions/002`).
//! 4. **Refused stays refused**: a genuine refresh token is refused only because its session has
//!    ended, so no refresh of that session is accepted afterwards.
//! 5. **The grace period ends**: *g* is answered for the grace period after the first answer, and
//!    not later. Times in which no refresh was answered are no part of the grace period.
//! 6. **The successor's use ends the grace period**: once a token of generation *g* + 1 or higher
//!    was exchanged, *g* is not answered again.
//! 7. **Proper use is accepted**: a session that no client tried to end, and whose tokens were used
//!    properly, is not refused. Proper use is to present the newest token, and to present that
//!    token again within the grace period before its successor is used, as a client does that
//!    received no answer. A request without an answer may still be executed a few seconds later.
//!
//! Redis does not know what it has lost. Rules 2, 5 and 6 do not apply where Redis lost the earlier
//! of two answers before it gave the later (`docs/decisions/001`). Rule 4 does apply, unless the
//! first refusal may not have reached the database: a reuse is written to Redis first, and is
//! forgotten if both stores fail. Rules 3 and 7 apply whatever is lost.
//!
//! Each module imports from modules further left only: `record`, `plan` and `check`, `world`,
//! `api` and `faults`, `client`, `run`.

mod api;
pub mod check;
mod client;
mod faults;
pub mod plan;
pub mod record;
mod run;
mod world;

pub use self::{
    check::{Report, Violation},
    faults::Persistence,
    plan::Plan,
    record::History,
    run::run,
};
