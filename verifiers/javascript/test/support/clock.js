import { Clock } from '../../src/clock.js';

/** A clock whose wall time stands still until a test advances it. */
export class FixedClock extends Clock {
  #ms;

  constructor(seconds) {
    super();
    this.#ms = seconds * 1000;
  }

  nowMs() {
    return this.#ms;
  }

  advance(ms) {
    this.#ms += ms;
    super.advance(ms);
  }
}
