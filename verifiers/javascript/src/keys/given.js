/** Keys that the caller provides: for tests, and for services without a network. */

import { KeySet } from './key_set.js';

export class GivenKeys {
  /** The keys, or `null` until they are imported. */
  current = null;
  usableUntil = Infinity;
  lastFailure = null;
  #imported;

  constructor(jwks) {
    this.#imported = KeySet.fromJwks(jwks).then((keys) => { this.current = keys; });
    // The failure reaches the callers of `settled`.
    this.#imported.catch(() => {});
  }

  /** Resolves when the keys are there, or never will be. */
  settled() {
    return this.#imported;
  }

  /** Looks for a key that `current` does not have. There is no other source. */
  async find() {
    await this.#imported;
  }

  refreshIfDue() {}

  close() {}
}
