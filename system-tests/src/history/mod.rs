//! What clients saw while things broke, held against what they were promised.
//!
//! Several clients ask two replicas for what clients ask for, rightly and wrongly, while Redis, the database, the replicas
//! and the connections are broken and mended. A seed decides what each client does and what breaks when (`plan`);
//! `client`, `ask` and `faults` carry that out, `run` puts them together. What was asked and answered is written down (`record`),
//! and held against these rules (`check`). Each finds fault only with what is certainly wrong, whatever happened between
//! the request and its answer, and wherever clocks and connections leave a doubt, the service has the benefit of it.
//!
//! 1. **Answers are answers**: tokens, done, 401 or 503, and when nothing is broken any more, no 503.
//! 2. **One child**: a refresh token of generation *g* is answered with tokens of the same session and user, and of
//!    generation *g* + 1. All answers to *g* name the same rotation.
//! 3. **Ended means ended**: once a logout or revocation was acknowledged, no refresh that begins later is accepted. If
//!    something was broken while the session was ended, a replica may learn of it only from the database, a few seconds
//!    after that and Redis are back (`docs/decisions/002`).
//! 4. **Refused is refused**: a refresh token of ours is refused only because its session has ended, so none is accepted
//!    afterwards.
//! 5. **The grace ends**: an answer to *g* is given for the grace period after the first one, and not later;
//! 6. **and with the child's use**: once a token of generation *g* + 1 or higher was traded, *g* is not answered again.
//! 7. **Nobody is lost**: a session that nobody tried to end, and whose tokens were used properly, is not refused. It is
//!    proper to use the newest token, and to use it again within the grace period, as a client does that got no answer,
//!    before its child is used. What got no answer may be carried out for a few seconds yet.
//!
//! What Redis loses, it cannot know. Rules 2, 5 and 6 are not held against it where it lost the earlier of two answers
//! before it gave the later (`docs/decisions/001`). Rule 4 is, unless the first refusal may not have reached the database: a
//! reuse is written to Redis first, and is forgotten if both are hit. Rule 3 and rule 7 hold whatever is lost.

mod ask;
pub mod check;
mod client;
mod faults;
pub mod plan;
pub mod record;
mod run;

pub use self::{
    check::{Report, Violation},
    plan::Plan,
    record::History,
    run::{Memory, run},
};
