/** `Revocations`: the ended sessions that a verifier knows, and the state of the feed. */

import { EndedSessions } from './ended_sessions.js';

/**
 * Maximum time that a verifier waits at its start for the past events of the feed, under the outage
 * policy that accepts tokens without the feed. In milliseconds.
 */
const FIRST_CATCH_UP_MS = 10_000;

/** Setting with a state that no feed fills: see `testing.js`. A symbol, so that no app sets it. */
export const TEST_REVOCATIONS = Symbol('revocations of a test');

export class Revocations {
  /** `true` while the verifier follows the feed and has received all missed events. */
  isCurrent = false;
  /** Number of attempts to connect after the first one. */
  reconnects = 0;
  /** Why the last connection ended. `null` while the feed is followed, and at the first attempt. */
  lastFailure = null;

  #clock;
  #policy;
  #ended = new EndedSessions();
  #createdAt;
  /** Time of the last event or comment that left the verifier with all events, or `null`. */
  #receivedAt = null;

  constructor(policy, clock) {
    this.#policy = policy;
    this.#clock = clock;
    this.#createdAt = clock.monotonicMs();
  }

  /** Returns a state that is current without a feed. */
  static withoutFeed(policy, clock) {
    const revocations = new Revocations(policy, clock);
    revocations.recordCurrent();
    return revocations;
  }

  /**
   * Returns why a session's tokens are refused, or `null`. While the feed is not current, the
   * outage policy decides about a session that is not known to have ended.
   */
  refusal(sid) {
    if (this.#ended.has(sid)) return 'revoked';
    return this.isUsable() ? null : 'revocations_unavailable';
  }

  /** Returns `true` if the feed is current or the outage policy accepts tokens without it. */
  isUsable() {
    return this.isCurrent || this.#isOutageAccepted();
  }

  /**
   * Returns `true` if the outage policy accepts tokens without the feed. Before the verifier has
   * received all events once, it knows of no ended session, however short the outage is.
   */
  #isOutageAccepted() {
    const silence = this.#silentForMs();
    if (this.#receivedAt === null) {
      return this.#policy.isUntilExpiry && silence >= FIRST_CATCH_UP_MS;
    }
    return this.#policy.acceptsAfter(silence);
  }

  #silentForMs() {
    const since = this.#receivedAt ?? this.#createdAt;
    return Math.max(0, this.#clock.monotonicMs() - since);
  }

  /** Records that a session has ended. `until` is the expiry of its last token, in seconds. */
  record(sid, until) {
    this.#ended.record(sid, until);
  }

  removeExpired() {
    this.#ended.removeExpired(this.#clock.nowSeconds());
  }

  /** Records that the verifier has all events up to now. */
  recordCurrent() {
    this.#receivedAt = this.#clock.monotonicMs();
    this.isCurrent = true;
  }

  /**
   * Records that the connection to the feed has ended. The time of the last event or comment stays:
   * an outage begins there, not where the verifier notices it.
   */
  recordDisconnect(failure) {
    this.isCurrent = false;
    this.lastFailure = failure;
  }

  /** Returns the state of the feed, for metrics and health checks. */
  state() {
    return {
      isCurrent: this.isCurrent,
      silentFor: this.#silentForMs() / 1000,
      held: this.#ended.size,
      reconnects: this.reconnects,
      lastError: this.lastFailure,
    };
  }
}
