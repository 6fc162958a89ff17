/** `Verifier`: decides whether to trust an access token (RFC 8725, RFC 9068 section 4). */

import { Cache } from './cache.js';
import { VerifyError } from './errors.js';
import { FetchFailure } from './fetch_failure.js';
import { GivenKeys } from './keys/given.js';
import { RemoteKeys } from './keys/remote.js';
import { waitUntilReady } from './readiness.js';
import { Follower } from './revocations/follower.js';
import { Revocations, TEST_REVOCATIONS } from './revocations/state.js';
import { checkSettings } from './settings.js';
import { checkFixed, checkTimes } from './token/claims.js';
import { Jws, MAX_TOKEN_BYTES } from './token/jws.js';

/** Verifies access tokens of one issuer. Create one for a process, and share it. */
export class Verifier {
  #settings;
  #keys;
  #revocations;
  #follower = null;
  /** Verified tokens, by the whole token, so that no token can pass for another. */
  #cache;
  #closing = new AbortController();
  #isOtherIssuerLogged = false;

  /**
   * Creates a verifier, which begins to fetch keys and to follow the feed in the background. Does
   * not wait: until the keys are there, `verify` waits for the fetch, then answers
   * `keys_unavailable`. `types/index.d.ts` describes the settings.
   *
   * @throws {TypeError} if a setting is wrong
   */
  constructor(settings) {
    const checked = checkSettings(settings);
    this.#settings = checked;
    this.#cache = new Cache(checked.cachedTokens);
    this.#keys = checked.jwks ? new GivenKeys(checked.jwks) : new RemoteKeys(checked);
    this.#revocations = checked[TEST_REVOCATIONS] ?? null;
    if (checked.feed) {
      this.#revocations = new Revocations(checked.policy, checked.clock);
      this.#follower = new Follower(checked.feed, this.#revocations, checked);
    }
  }

  /** The issuer whose tokens the verifier accepts, without a trailing slash. */
  get issuer() {
    return this.#settings.issuer;
  }

  /**
   * Returns the claims of a token if it can be trusted. Waits for the network only if the token has
   * an unknown key id, or while the verifier has no keys.
   *
   * @throws {VerifyError} with the reason for the refusal
   */
  async verify(token) {
    if (typeof token !== 'string' || token.length > MAX_TOKEN_BYTES) {
      throw new VerifyError('malformed');
    }
    return this.verifyCached(token) ?? this.#verifyUncached(token);
  }

  /**
   * Returns the claims of a token that this verifier has verified before, with the present keys, or
   * `null`. Never waits. The checks of time and of the session are made each time.
   *
   * @throws {VerifyError} with the reason for the refusal
   */
  verifyCached(token) {
    const cached = this.#cache.get(token);
    if (cached === undefined || cached.keys !== this.#keys.current) return null;
    const now = this.#settings.clock.nowSeconds();
    // Keys that are too old are fetched first.
    if (now >= this.#keys.usableUntil) return null;
    this.#checkAt(now, cached.claims);
    return cached.claims;
  }

  async #verifyUncached(token) {
    await this.#keys.refreshIfDue();
    if (!this.#hasUsableKeys()) await this.#keys.settled();
    try {
      return await this.#verifyWithKnownKeys(token);
    } catch (error) {
      if (error.reason !== 'unknown_key' && error.reason !== 'keys_unavailable') throw error;
      // A token that is refused anyway causes no request.
      await this.#keys.find(new Jws(token).header.kid);
      return this.#verifyWithKnownKeys(token);
    }
  }

  async #verifyWithKnownKeys(token) {
    // One key set for all checks: another may arrive meanwhile.
    const keys = this.#keys.current;
    if (!this.#hasUsableKeys()) throw new VerifyError('keys_unavailable');
    const jws = new Jws(token);
    const key = keys.get(jws.header.kid);
    if (!key) throw new VerifyError('unknown_key');
    await jws.checkSignature(key);
    const claims = jws.claims();
    this.#checkFixed(claims);
    this.#checkAt(this.#settings.clock.nowSeconds(), claims);
    this.#cache.set(token, { claims, keys });
    return claims;
  }

  #checkFixed(claims) {
    try {
      checkFixed(claims, this.#settings);
    } catch (error) {
      if (error.reason === 'issuer') this.#logOtherIssuer(claims.iss);
      throw error;
    }
  }

  /**
   * Logs, once, that the issuer's keys sign tokens of another issuer: the verifier is built with
   * the wrong URL. The claim is the issuer's, because its signature is valid.
   */
  #logOtherIssuer(other) {
    if (this.#isOtherIssuerLogged) return;
    this.#isOtherIssuerLogged = true;
    this.#settings.logger.warn(
      `tokens of the issuer ${JSON.stringify(other)} are refused, because the verifier is built `
      + `with the issuer ${JSON.stringify(this.issuer)}`,
    );
  }

  /** Checks at `now`, in seconds, what can change between two requests with the same token. */
  #checkAt(now, claims) {
    checkTimes(claims, now, this.#settings.leeway);
    const refusal = this.#revocations?.refusal(claims.sid);
    if (refusal) throw new VerifyError(refusal);
  }

  #hasUsableKeys() {
    const { current, usableUntil } = this.#keys;
    return current !== null && !current.isEmpty && this.#settings.clock.nowSeconds() < usableUntil;
  }

  /**
   * Waits until the verifier can decide on tokens, for at most 15 seconds, and not at all for what
   * does not pass by itself: an issuer whose metadata names another URL, a feed that refuses the
   * client. An app can ignore the error: the verifier goes on trying, and answers 503 meanwhile.
   *
   * @throws {NotReady} with the reason
   */
  async ready() {
    await this.#keys.refreshIfDue();
    const parts = {
      keys: this.#keys,
      revocations: this.#revocations,
      feedUrl: this.#settings.feed?.url,
      isReady: () => this.isReady(),
    };
    await waitUntilReady(parts, this.#closing);
  }

  /**
   * Returns `true` if the verifier can decide on tokens: it has keys, and it follows the revocation
   * feed or the outage policy accepts tokens.
   */
  isReady() {
    return (this.#revocations?.isUsable() ?? true) && this.#hasUsableKeys();
  }

  /** Returns why the verifier has no keys, for a health check, or `null` if it has keys. */
  keysError() {
    if (this.#hasUsableKeys()) return null;
    return this.#keys.lastFailure ?? FetchFailure.notFetchedYet();
  }

  /** Returns the state of the revocation feed, for metrics, or `null` if no feed is set. */
  revocations() {
    return this.#revocations?.state() ?? null;
  }

  /** Sets the client secret for the next connection to the feed. An open connection stays open. */
  setFeedSecret(secret) {
    this.#follower?.setSecret(secret);
  }

  /** Ends the background work, which keeps a process running. */
  close() {
    this.#closing.abort();
    this.#keys.close();
    this.#follower?.close();
  }
}
