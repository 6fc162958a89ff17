/** The current time, passed in so that tests can advance it instead of waiting. */
export class Clock {
  #offsetMs = 0;

  /** Returns the time in milliseconds since the Unix epoch. */
  nowMs() {
    return Date.now() + this.#offsetMs;
  }

  /** Returns the time in whole seconds since the Unix epoch (RFC 7519 section 2, NumericDate). */
  nowSeconds() {
    return Math.floor(this.nowMs() / 1000);
  }

  /** Returns milliseconds since an arbitrary moment, which a set wall clock does not change. */
  monotonicMs() {
    return performance.now() + this.#offsetMs;
  }

  /** Advances this clock by milliseconds. For tests. */
  advance(ms) {
    this.#offsetMs += ms;
  }
}
