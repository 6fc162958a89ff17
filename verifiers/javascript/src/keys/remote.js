/**
 * The issuer's keys over HTTP: fetched at start, at an interval, and when a token has an unknown
 * key id.
 */

import { VerifyError } from '../errors.js';
import { FetchFailure } from '../fetch_failure.js';
import { findJwks, get, parseJson } from '../http.js';
import { pause } from '../timers.js';
import { KeySet } from './key_set.js';

/** First and longest pause between two attempts while the verifier has no keys, in milliseconds. */
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;

export class RemoteKeys {
  /** The keys of the last successful fetch, or `null`. They may be too old: see `usableUntil`. */
  current = null;
  /** Time until which the keys are used, in seconds since the Unix epoch. */
  usableUntil = 0;
  /** Why the last fetch failed. `null` after a successful fetch. */
  lastFailure = FetchFailure.notFetchedYet();

  #settings;
  #closing = new AbortController();
  /** The fetch in progress. One fetch runs at a time. */
  #running = null;
  /** Times of the last fetch, and of the last one that an unknown key id caused. */
  #fetchedAt = -Infinity;
  #unknownKidAt = -Infinity;
  /** What one fetch leaves for the next. */
  #last = { url: null, etag: null, body: null };

  constructor(settings) {
    this.#settings = settings;
    if (settings.background) this.#refreshPeriodically();
  }

  /** Resolves when the fetch in progress ends. */
  async settled() {
    await this.#running;
  }

  /**
   * Looks for a key that `current` does not have. Concurrent callers share one fetch, and the
   * minimum interval limits the number of fetches, so that made-up key ids cannot flood the issuer.
   *
   * @throws {VerifyError} `unknown_key` or `keys_unavailable`
   */
  async find(kid) {
    while (this.#running) await this.#running;
    const { clock, minFetchInterval } = this.#settings;
    const now = clock.monotonicMs();
    const isDue = now - this.#unknownKidAt >= minFetchInterval * 1000;
    if (this.#problemWith(kid) && isDue) {
      this.#unknownKidAt = now;
      await this.#fetchAndLog();
    }
    const problem = this.#problemWith(kid);
    if (problem) throw new VerifyError(problem);
  }

  /** Fetches the keys if the interval has passed. For verifiers without a background. */
  async refreshIfDue() {
    const { background, clock, refreshInterval, minFetchInterval } = this.#settings;
    if (background) return;
    while (this.#running) await this.#running;
    const isUsable = this.#isUsable();
    const interval = isUsable ? refreshInterval : minFetchInterval;
    const now = clock.monotonicMs();
    if (now - this.#fetchedAt < interval * 1000) return;
    // Without keys, every key id is unknown: one fetch is enough.
    if (!isUsable) this.#unknownKidAt = now;
    await this.#fetchAndLog();
  }

  close() {
    this.#closing.abort(FetchFailure.connectionLost('the verifier is closed'));
  }

  #isUsable() {
    return this.current !== null && this.#settings.clock.nowSeconds() < this.usableUntil;
  }

  #problemWith(kid) {
    if (!this.#isUsable()) return 'keys_unavailable';
    return this.current.get(kid) ? null : 'unknown_key';
  }

  /** Fetches until the keys are usable, then at the interval, until the verifier is closed. */
  async #refreshPeriodically() {
    const { signal } = this.#closing;
    let retry = FIRST_RETRY_MS;
    while (!signal.aborted) {
      while (this.#running) await this.#running;
      await this.#fetchAndLog();
      const isUsable = this.#isUsable();
      await pause(isUsable ? this.#settings.refreshInterval * 1000 : retry, signal);
      retry = isUsable ? FIRST_RETRY_MS : Math.min(retry * 2, LAST_RETRY_MS);
    }
  }

  /** Fetches the keys. Never rejects: `lastFailure` has the failure. */
  #fetchAndLog() {
    this.#fetchedAt = this.#settings.clock.monotonicMs();
    this.#running = this.#attempt().finally(() => { this.#running = null; });
    return this.#running;
  }

  async #attempt() {
    const requestedAt = this.#settings.clock.nowSeconds();
    try {
      await this.#fetch();
      this.usableUntil = requestedAt + this.#settings.maxKeyAge;
      this.lastFailure = null;
    } catch (error) {
      this.#recordFailure(FetchFailure.from(error));
    }
  }

  #recordFailure(failure) {
    // The issuer may have moved its keys.
    this.#last.url = null;
    this.#last.etag = null;
    const { issuer, jwksUrl, logger } = this.#settings;
    const details = `cannot fetch the keys of ${jwksUrl ?? issuer}: ${failure.details}`;
    failure.details = details;
    this.lastFailure = failure;
    if (!this.#closing.signal.aborted) logger.warn(`${details}; ${this.#consequence()}`);
  }

  /** Returns the consequence of a failed fetch, for the log. */
  #consequence() {
    if (this.#isUsable()) return 'the keys fetched last stay in use';
    const why = this.current ? 'the keys fetched last are too old: ' : '';
    return `${why}no token can be verified until a fetch succeeds`;
  }

  async #fetch() {
    const { issuer, jwksUrl, fetch } = this.#settings;
    const options = { fetch, signal: this.#closing.signal };
    const url = jwksUrl ?? this.#last.url ?? (await findJwks(issuer, options));
    const answer = await get(url, { ...options, etag: this.#last.etag });
    if (answer === null) return;
    // An unchanged key set stays the same object, and with it the cache of verified tokens.
    if (answer.body !== this.#last.body || !this.current) this.current = await parseKeys(answer);
    this.#last = { url, etag: answer.etag, body: answer.body };
  }
}

async function parseKeys(answer) {
  const jwks = parseJson(answer);
  const keys = await KeySet.fromJwks(jwks).catch((error) => {
    throw FetchFailure.invalidResponse(error.message);
  });
  if (keys.isEmpty) throw FetchFailure.invalidResponse('the JWKS has no usable key');
  return keys;
}
