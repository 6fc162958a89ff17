//! A client that carries out the steps of a plan.

mod session;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use self::session::Session;
use super::{
    api::{Api, Tokens},
    check::{MARGIN, SETTLED},
    plan::{Action, REPLICAS, Step},
    record::{EndMethod, Outcome},
    world::World,
};

/// Maximum number of live sessions of a client.
const LIVE: usize = 6;
/// Maximum number of ended sessions that a client remembers.
const ENDED: usize = 40;
/// Longer than any fault lasts.
const LONGER_THAN_ANY_FAULT: Duration = Duration::from_secs(3);
/// Fraction of the grace period within which a client retries.
const RETRY_WITHIN: f64 = 0.6;

/// A client.
pub struct Client {
    api: Api,
    live: Vec<Session>,
    /// Sessions left alone since their newest token was issued.
    resting: Vec<Session>,
    ended: Vec<Session>,
}

impl Client {
    pub fn new(number: usize, world: Arc<World>) -> Self {
        let api = Api::new(number, world);
        Self { api, live: Vec::new(), resting: Vec::new(), ended: Vec::new() }
    }

    /// Carries out these steps.
    pub async fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            tokio::time::sleep(step.pause).await;
            if self.take(step).await == Availability::Unavailable {
                tokio::time::sleep(step.backoff).await;
            }
        }
    }

    /// Presents the newest token of each session. Called once every fault is over.
    pub async fn probe(&mut self) {
        let replicas = (0..REPLICAS).cycle();
        let sessions = self.live.iter().chain(&self.resting).chain(&self.ended);
        for (session, replica) in sessions.zip(replicas) {
            if let Some(tokens) = session.pick(0, |age| age == 0) {
                self.api.refresh(replica, &session.id, &tokens).await;
            }
        }
        self.outstay_grace_period().await;
    }

    /// Presents a token after a grace period in which nothing was lost. A plan may lack this case.
    async fn outstay_grace_period(&self) {
        let (outcome, tokens) = self.api.login(0).await;
        let (Outcome::Tokens(pair), Some(tokens)) = (outcome, tokens) else { return };
        self.api.refresh(0, &pair.session, &tokens).await;
        tokio::time::sleep(self.api.grace() + 2 * MARGIN).await;
        self.api.refresh(1, &pair.session, &tokens).await;
    }

    /// Carries out one step.
    async fn take(&mut self, step: Step) -> Availability {
        let now = self.api.now();
        let indices = 0..self.live.len();
        let usable: Vec<usize> =
            indices.filter(|index| self.live[*index].left_alone_until <= now).collect();
        let chosen = (!usable.is_empty()).then(|| usable[step.pick % usable.len()]);
        let has_rested = self.resting.iter().any(|session| session.left_alone_until <= now);
        match (step.action, chosen) {
            (Action::UseEnded, _) if !self.ended.is_empty() => self.use_ended(step).await,
            (Action::ReplayRested, _) if has_rested => self.replay_rested(step, now).await,
            (Action::Login, _) if self.live.len() < LIVE => self.log_in(step.replica).await,
            (_, None) => self.log_in(step.replica).await,
            (Action::End(method), Some(index)) => self.end(step, index, method).await,
            (Action::EndAll, Some(index)) => self.end_all(step, index).await,
            (Action::RefreshConcurrently(times), Some(index)) => {
                self.refresh_newest(step, index, times).await
            }
            (Action::Retry, Some(index)) => self.retry(step, index, now).await,
            (Action::Replay, Some(index)) => self.replay(step, index).await,
            (Action::Rest, Some(index)) => self.rest(step, index).await,
            (_, Some(index)) => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn log_in(&mut self, replica: usize) -> Availability {
        let (outcome, tokens) = self.api.login(replica).await;
        if let (Outcome::Tokens(pair), Some(tokens)) = (&outcome, tokens) {
            self.live.push(Session::new(pair.session.clone(), tokens));
        }
        Availability::of(&outcome)
    }

    /// Presents the newest token, this many times concurrently.
    async fn refresh_newest(&mut self, step: Step, index: usize, times: usize) -> Availability {
        let Some(tokens) = self.live[index].pick(step.pick, |age| age == 0) else {
            return Availability::Available;
        };
        self.live[index].presented[0].get_or_insert(self.api.now());
        self.present(step, index, tokens, times).await
    }

    async fn present(
        &mut self,
        step: Step,
        index: usize,
        tokens: Tokens,
        times: usize,
    ) -> Availability {
        let id = self.live[index].id.clone();
        let refresh = |number| self.api.refresh(step.replica + number, &id, &tokens);
        let answers = join_all((0..times).map(refresh)).await;
        let has = |expected| answers.iter().any(|(outcome, _)| *outcome == expected);
        let now = self.api.now();
        let session = &mut self.live[index];
        for tokens in answers.iter().filter_map(|(_, tokens)| tokens.clone()) {
            session.add(tokens);
        }
        if has(Outcome::Unknown) {
            session.unsettled_until = now + SETTLED + SETTLED / 10;
        }
        if step.is_careful && session.presented[0].is_none() {
            // No request that presents an older token may still be executing.
            session.left_alone_until = session.left_alone_until.max(session.unsettled_until);
        }
        let is_unavailable = has(Outcome::Unavailable);
        if is_unavailable && step.pick.is_multiple_of(2) {
            // The user gives up, and comes back after the grace period.
            session.left_alone_until = now + self.api.grace() + LONGER_THAN_ANY_FAULT;
        }
        if has(Outcome::Refused) {
            self.forget_live(index);
        }
        if is_unavailable { Availability::Unavailable } else { Availability::Available }
    }

    /// Presents the token before the newest, if the grace period allows it and the newest token
    /// was not used.
    async fn retry(&mut self, step: Step, index: usize, now: Duration) -> Availability {
        let session = &self.live[index];
        let limit = self.api.grace().mul_f64(RETRY_WITHIN);
        let [newest_presented, previous_presented] = session.presented;
        let is_in_time = previous_presented.is_some_and(|at| now < at + limit);
        match session.pick(step.pick, |age| age == 1) {
            Some(previous) if is_in_time && newest_presented.is_none() => {
                self.present(step, index, previous, 1).await
            }
            _ => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn replay(&mut self, step: Step, index: usize) -> Availability {
        match self.live[index].pick(step.pick, |age| age > 1) {
            Some(old) => self.present(step, index, old, 1).await,
            None => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn rest(&mut self, step: Step, index: usize) -> Availability {
        let generation = self.live[index].newest_generation();
        let id = self.live[index].id.clone();
        let availability = self.refresh_newest(step, index, 1).await;
        let is_rotated =
            |session: &Session| session.id == id && session.newest_generation() > generation;
        if let Some(index) = self.live.iter().position(is_rotated) {
            let mut session = self.live.swap_remove(index);
            // From zero: sometimes the session is used at the end of the grace period.
            let beyond = Duration::from_millis((step.pick % 1000) as u64);
            session.left_alone_until = self.api.now() + self.api.grace() + beyond;
            self.resting.push(session);
        }
        availability
    }

    async fn replay_rested(&mut self, step: Step, now: Duration) -> Availability {
        let rested = self.resting.iter().position(|session| session.left_alone_until <= now);
        let session = self.resting.swap_remove(rested.expect("a session that has rested"));
        self.live.push(session);
        let index = self.live.len() - 1;
        match self.live[index].pick(step.pick, |age| age == 1) {
            Some(previous) if step.is_careful => self.present(step, index, previous, 1).await,
            _ => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn use_ended(&mut self, step: Step) -> Availability {
        let session = &self.ended[step.pick % self.ended.len()];
        let tokens = session.pick(step.pick / ENDED, |age| step.is_careful || age == 0);
        let Some(tokens) = tokens else { return Availability::Available };
        let (outcome, _) = self.api.refresh(step.replica, &session.id, &tokens).await;
        Availability::of(&outcome)
    }

    async fn end(&mut self, step: Step, index: usize, method: EndMethod) -> Availability {
        let session = &self.live[index];
        let Some(tokens) = session.pick(step.pick, |_| true) else {
            return Availability::Available;
        };
        let outcome = self.api.end(step.replica, &session.id, method, &tokens).await;
        if outcome != Outcome::Unsent {
            self.forget_live(index);
        }
        Availability::of(&outcome)
    }

    async fn end_all(&mut self, step: Step, index: usize) -> Availability {
        let Some(tokens) = self.live[index].pick(step.pick, |_| true) else {
            return Availability::Available;
        };
        let outcome = self.api.end_all(step.replica, &tokens).await;
        if outcome == Outcome::Done {
            while !self.live.is_empty() {
                self.forget_live(0);
            }
        }
        Availability::of(&outcome)
    }

    /// Moves a session that has ended, or may have ended, to the ended sessions.
    fn forget_live(&mut self, index: usize) {
        self.ended.push(self.live.swap_remove(index));
        if self.ended.len() > ENDED {
            self.ended.remove(0);
        }
    }
}

/// Whether a step was answered 503.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Availability {
    Available,
    Unavailable,
}

impl Availability {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Unavailable => Self::Unavailable,
            _ => Self::Available,
        }
    }
}
