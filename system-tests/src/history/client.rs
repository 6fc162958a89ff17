//! A client, which does what its plan says, and writes down what came of it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    ask::{Asker, Token, World},
    check::{MARGIN, SETTLED},
    plan::{Action, REPLICAS, Step},
    record::{Outcome, Way},
};

/// As many sessions it has at once, at most.
const SESSIONS: usize = 6;
/// As many sessions that are over it remembers.
const ENDED: usize = 40;
/// No fault lasts longer.
const LONGER_THAN_REDIS_IS_AWAY: Duration = Duration::from_secs(3);
/// A client that retries does so well before the grace period ends.
const IN_GOOD_TIME: f64 = 0.6;

/// One client.
pub struct Client {
    ask: Asker,
    live: Vec<Held>,
    /// Left alone since the newest token's parent was traded.
    resting: Vec<Held>,
    ended: Vec<Held>,
}

/// A session, as its client knows it.
struct Held {
    id: String,
    /// Of any generation, some of them more than once.
    tokens: Vec<Token>,
    /// When a token of the newest generation, and of the one before it, was first presented.
    presented: [Option<Duration>; 2],
    /// Until when a request may be at work that was not answered.
    unsettled_until: Duration,
    left_alone_until: Duration,
}

impl Held {
    fn newest_generation(&self) -> u64 {
        self.tokens.iter().map(|token| token.generation).max().unwrap_or_default()
    }

    /// One of those that the predicate takes, by generation and how far it is below the newest.
    fn pick(&self, pick: usize, mut wanted: impl FnMut(u64) -> bool) -> Option<Token> {
        let newest = self.newest_generation();
        let fit: Vec<&Token> = self.tokens.iter().filter(|token| wanted(newest - token.generation)).collect();
        (!fit.is_empty()).then(|| fit[pick % fit.len()].clone())
    }
}

impl Client {
    pub fn new(number: usize, world: Arc<World>) -> Self {
        let ask = Asker::new(number, world);
        Self { ask, live: Vec::new(), resting: Vec::new(), ended: Vec::new() }
    }

    pub async fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            tokio::time::sleep(step.pause).await;
            if self.take(step).await {
                tokio::time::sleep(step.patience).await;
            }
        }
    }

    /// Presents the newest token of each session, now that all is well.
    pub async fn probe(&mut self) {
        let replicas = (0..REPLICAS).cycle();
        let sessions = self.live.iter().chain(&self.resting).chain(&self.ended);
        for (session, replica) in sessions.zip(replicas) {
            if let Some(token) = session.pick(0, |below| below == 0) {
                self.ask.refresh(replica, &session.id, &token).await;
            }
        }
        self.outstay_the_grace().await;
    }

    /// Presents a token after the grace period in which nothing was lost: storms may leave no such time.
    async fn outstay_the_grace(&self) {
        let (outcome, token) = self.ask.login(0).await;
        let (Outcome::Minted(minted), Some(token)) = (outcome, token) else { return };
        self.ask.refresh(0, &minted.session, &token).await;
        tokio::time::sleep(self.ask.grace() + 2 * MARGIN).await;
        self.ask.refresh(1, &minted.session, &token).await;
    }

    /// One step. Says whether somebody asked to be left alone for a while.
    async fn take(&mut self, step: Step) -> bool {
        let now = self.ask.now();
        let able: Vec<usize> =
            (0..self.live.len()).filter(|index| self.live[*index].left_alone_until <= now).collect();
        let chosen = (!able.is_empty()).then(|| able[step.pick % able.len()]);
        match (step.action, chosen) {
            (Action::UseEnded, _) if !self.ended.is_empty() => self.use_ended(step).await,
            (Action::ReplayRested, _) if self.resting.iter().any(|held| held.left_alone_until <= now) => {
                self.replay_rested(step, now).await
            }
            (Action::Login, _) if self.live.len() < SESSIONS => self.log_in(step.replica).await,
            (_, None) => self.log_in(step.replica).await,
            (Action::End(way), Some(index)) => self.end(step, index, way).await,
            (Action::EndAll, Some(index)) => self.end_all(step, index).await,
            (Action::Together(times), Some(index)) => self.refresh_newest(step, index, times).await,
            (Action::Retry, Some(index)) => self.retry(step, index, now).await,
            (Action::Replay, Some(index)) => self.replay(step, index).await,
            (Action::Rest, Some(index)) => self.rest(step, index).await,
            (_, Some(index)) => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn log_in(&mut self, replica: usize) -> bool {
        let (outcome, token) = self.ask.login(replica).await;
        if let (Outcome::Minted(minted), Some(token)) = (&outcome, token) {
            self.live.push(Held {
                id: minted.session.clone(),
                tokens: vec![token],
                presented: [None; 2],
                unsettled_until: Duration::ZERO,
                left_alone_until: Duration::ZERO,
            });
        }
        outcome == Outcome::Unavailable
    }

    /// Trades the newest token, which is presented so many times at once.
    async fn refresh_newest(&mut self, step: Step, index: usize, times: usize) -> bool {
        let Some(token) = self.live[index].pick(step.pick, |below| below == 0) else { return false };
        self.live[index].presented[0].get_or_insert(self.ask.now());
        self.present(step, index, token, times).await
    }

    async fn present(&mut self, step: Step, index: usize, token: Token, times: usize) -> bool {
        let id = self.live[index].id.clone();
        let questions = (0..times).map(|number| self.ask.refresh(step.replica + number, &id, &token));
        let answers = join_all(questions).await;
        let now = self.ask.now();
        let session = &mut self.live[index];
        for (outcome, token) in &answers {
            if let Some(token) = token {
                if token.generation > session.newest_generation() {
                    session.presented = [None, session.presented[0]];
                }
                session.tokens.push(token.clone());
            }
            if *outcome == Outcome::Unknown {
                session.unsettled_until = now + SETTLED + SETTLED / 10;
            }
        }
        if step.careful && session.presented[0].is_none() {
            // The next token is used once nothing is at work that the last one was presented in.
            session.left_alone_until = session.left_alone_until.max(session.unsettled_until);
        }
        let is_unavailable = answers.iter().any(|(outcome, _)| *outcome == Outcome::Unavailable);
        if is_unavailable && step.pick.is_multiple_of(2) {
            // Its client loses heart, and comes back when the grace period would be over.
            session.left_alone_until = now + self.ask.grace() + LONGER_THAN_REDIS_IS_AWAY;
        }
        if answers.iter().any(|(outcome, _)| *outcome == Outcome::Refused) {
            self.bury(index);
        }
        is_unavailable
    }

    /// As if the last answer had been lost. Only in time, and if the child was not used yet.
    async fn retry(&mut self, step: Step, index: usize, now: Duration) -> bool {
        let session = &self.live[index];
        let in_time = session.presented[1]
            .is_some_and(|at| now < at + self.ask.grace().mul_f64(IN_GOOD_TIME))
            && session.presented[0].is_none();
        match session.pick(step.pick, |below| below == 1) {
            Some(parent) if in_time => self.present(step, index, parent, 1).await,
            _ => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn replay(&mut self, step: Step, index: usize) -> bool {
        match self.live[index].pick(step.pick, |below| below > 1) {
            Some(old) => self.present(step, index, old, 1).await,
            None => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn rest(&mut self, step: Step, index: usize) -> bool {
        let generation = self.live[index].newest_generation();
        let id = self.live[index].id.clone();
        let wait = self.refresh_newest(step, index, 1).await;
        let index = self.live.iter().position(|held| held.id == id);
        if let Some(index) = index.filter(|index| self.live[*index].newest_generation() > generation) {
            let mut session = self.live.swap_remove(index);
            // Sometimes just when the grace ends.
            let beyond = Duration::from_millis((step.pick % 1000) as u64);
            session.left_alone_until = self.ask.now() + self.ask.grace() + beyond;
            self.resting.push(session);
        }
        wait
    }

    async fn replay_rested(&mut self, step: Step, now: Duration) -> bool {
        let rested = self.resting.iter().position(|held| held.left_alone_until <= now);
        let session = self.resting.swap_remove(rested.expect("one that has rested"));
        self.live.push(session);
        let index = self.live.len() - 1;
        match self.live[index].pick(step.pick, |below| below == 1) {
            // Every other time its own client comes back instead.
            Some(parent) if step.careful => self.present(step, index, parent, 1).await,
            _ => self.refresh_newest(step, index, 1).await,
        }
    }

    async fn use_ended(&mut self, step: Step) -> bool {
        let session = &self.ended[step.pick % self.ended.len()];
        let Some(token) = session.pick(step.pick / ENDED, |below| step.careful || below == 0) else {
            return false;
        };
        let (outcome, _) = self.ask.refresh(step.replica, &session.id, &token).await;
        outcome == Outcome::Unavailable
    }

    async fn end(&mut self, step: Step, index: usize, way: Way) -> bool {
        let session = &self.live[index];
        let Some(token) = session.pick(step.pick, |_| true) else { return false };
        let outcome = self.ask.end(step.replica, &session.id, way, &token).await;
        if outcome != Outcome::Unsent {
            self.bury(index);
        }
        outcome == Outcome::Unavailable
    }

    async fn end_all(&mut self, step: Step, index: usize) -> bool {
        let Some(token) = self.live[index].pick(step.pick, |_| true) else { return false };
        let outcome = self.ask.end_all(step.replica, &token).await;
        if outcome == Outcome::Done {
            while !self.live.is_empty() {
                self.bury(0);
            }
        }
        outcome == Outcome::Unavailable
    }

    /// It is over, or may be.
    fn bury(&mut self, index: usize) {
        self.ended.push(self.live.swap_remove(index));
        if self.ended.len() > ENDED {
            self.ended.remove(0);
        }
    }
}
