/**
 * The outage policy: how a verifier treats tokens while it cannot follow the revocation feed.
 *
 * | text | tokens are |
 * |---|---|
 * | `until_expiry` | accepted until they expire |
 * | `bounded:SECONDS` | accepted for this long, then refused |
 * | `closed` | refused |
 */
export class OutagePolicy {
  /** Longest time without the feed for which tokens are accepted, in milliseconds. */
  #limitMs;
  #text;

  constructor(text) {
    const bounded = /^bounded:([0-9]{1,15})$/.exec(text);
    if (!bounded && text !== 'until_expiry' && text !== 'closed') {
      throw new TypeError('outage must be until_expiry, bounded:SECONDS or closed');
    }
    this.#text = text;
    const seconds = bounded?.[1] ?? (text === 'closed' ? 0 : Infinity);
    this.#limitMs = Number(seconds) * 1000;
  }

  /** Returns `true` if tokens are accepted after this time without the feed. */
  acceptsAfter(silenceMs) {
    return silenceMs < this.#limitMs;
  }

  get isUntilExpiry() {
    return this.#limitMs === Infinity;
  }

  toString() {
    return this.#text;
  }
}
