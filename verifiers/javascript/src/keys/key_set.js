/** `KeySet`: the usable keys of a JWKS, by key id. */

import { JwkError, PublicKey } from './public_key.js';

export class KeySet {
  #keys;

  constructor(keys) {
    this.#keys = keys;
  }

  /** Returns the usable keys of a JWKS, and ignores the others (RFC 7517 section 5). */
  static async fromJwks(jwks) {
    if (!Array.isArray(jwks?.keys)) throw new TypeError('the answer is not a JWKS');
    const keys = new Map();
    for (const jwk of jwks.keys) {
      try {
        keys.set(jwk?.kid, await PublicKey.fromJwk(jwk ?? {}));
      } catch (error) {
        if (!(error instanceof JwkError)) throw error;
      }
    }
    return new KeySet(keys);
  }

  get(kid) {
    return this.#keys.get(kid);
  }

  get ids() {
    return [...this.#keys.keys()].sort();
  }

  get isEmpty() {
    return this.#keys.size === 0;
  }
}
