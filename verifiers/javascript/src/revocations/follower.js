/** `Follower`: follows the revocation feed, and connects again after every error. */

import { FetchFailure } from '../fetch_failure.js';
import { after, pause } from '../timers.js';
import { FeedParser } from './sse.js';

/** Maximum time without data. The issuer sends a comment after 3 seconds without an event. */
const SILENCE_MS = 5_000;
/** Maximum time until the issuer responds. */
const RESPONSE_TIMEOUT_MS = 5_000;
/** First and longest pause before a new connection. The pause doubles each time. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;
/**
 * Minimum length of an outage that is logged. A replica of the issuer that shuts down closes its
 * feeds, and a new connection reaches another replica at once.
 */
const LOGGED_OUTAGE_MS = 1_000;
/** Time between two removals of expired sessions. */
const CLEANUP_MS = 1_000;

export class Follower {
  #feed;
  #revocations;
  #settings;
  #closing = new AbortController();
  /** Id of the last received event, where the next connection starts. */
  #lastEventId = null;
  /** The outage that the log may have to name: one line for each, not for each attempt. */
  #outage = { began: performance.now(), isLogged: false };

  constructor(feed, revocations, settings) {
    this.#feed = { ...feed };
    this.#revocations = revocations;
    this.#settings = settings;
    this.#run();
  }

  /** Sets the client secret for the next connection. */
  setSecret(secret) {
    this.#feed.clientSecret = secret;
  }

  close() {
    this.#closing.abort(FetchFailure.connectionLost('the verifier is closed'));
  }

  async #run() {
    const { signal } = this.#closing;
    let retry = FIRST_RETRY_MS;
    while (!signal.aborted) {
      const failure = await this.#followOnce();
      if (this.#revocations.isCurrent) {
        retry = FIRST_RETRY_MS;
        this.#outage = { began: performance.now(), isLogged: false };
      }
      this.#revocations.recordDisconnect(failure);
      if (signal.aborted) return;
      this.#logOutage(failure);
      // Jitter, so that services that lost one issuer at the same time do not connect together.
      await pause(retry * (0.5 + Math.random() / 2), signal);
      retry = Math.min(retry * 2, LAST_RETRY_MS);
      this.#revocations.reconnects += 1;
    }
  }

  /** Follows one connection until it ends. Returns why it ended. */
  async #followOnce() {
    const connection = new AbortController();
    const abort = (reason) => connection.abort(reason);
    const onClose = () => abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener('abort', onClose);
    try {
      const response = await this.#connect(connection);
      return await this.#read(response.body.getReader(), abort);
    } catch (error) {
      // An aborted request throws the reason, or in some engines an error of their own.
      return FetchFailure.from(connection.signal.aborted ? connection.signal.reason : error);
    } finally {
      this.#closing.signal.removeEventListener('abort', onClose);
      abort();
    }
  }

  /** Requests the feed, starting after the last received event. */
  async #connect(connection) {
    const { url, clientId, clientSecret } = this.#feed;
    const headers = {
      Accept: 'text/event-stream',
      Authorization: `Basic ${basic(clientId, clientSecret)}`,
    };
    if (this.#lastEventId !== null) headers['Last-Event-ID'] = this.#lastEventId;
    const onTimeout = () => connection.abort(FetchFailure.timeout(RESPONSE_TIMEOUT_MS));
    const cancel = after(RESPONSE_TIMEOUT_MS, onTimeout);
    const { signal } = connection;
    try {
      // Follows no redirect: it would send the credentials to another server.
      const response =
        await this.#settings.fetch(url, { headers, signal, redirect: 'manual', cache: 'no-store' });
      if (response.status !== 200) throw FetchFailure.status(response.status, url);
      // A page of a proxy, such as a form of a hotel's network, is no feed.
      if (!/^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')) {
        throw FetchFailure.invalidResponse(`the answer of ${url} is not an event stream`);
      }
      return response;
    } finally {
      cancel();
    }
  }

  /** Reads events until the connection ends. */
  async #read(reader, abort) {
    const parser = new FeedParser();
    let isCaughtUp = false;
    let cleanedAt = performance.now();
    for (;;) {
      const cancel = after(SILENCE_MS, () => abort(FetchFailure.silent(SILENCE_MS)));
      const { done, value } = await reader.read().finally(cancel);
      if (done) return FetchFailure.connectionLost('the issuer closed the connection');
      for (const event of parser.push(value)) isCaughtUp = this.#apply(event) || isCaughtUp;
      if (isCaughtUp) this.#revocations.recordCurrent();
      if (performance.now() - cleanedAt >= CLEANUP_MS) {
        cleanedAt = performance.now();
        this.#revocations.removeExpired();
      }
    }
  }

  /** Applies an event. Returns `true` if all events before this connection have been received. */
  #apply({ name, sid, until, id }) {
    if (name === 'revoked') {
      this.#revocations.record(sid, until);
      this.#lastEventId = id ?? this.#lastEventId;
      return false;
    }
    this.#settings.logger.info(`following the revocations at ${this.#feed.url}`);
    this.#revocations.lastFailure = null;
    return true;
  }

  #logOutage(failure) {
    const isShort = performance.now() - this.#outage.began < LOGGED_OUTAGE_MS;
    if (this.#outage.isLogged || (isShort && failure.code !== 'silent')) return;
    this.#outage.isLogged = true;
    const { logger, policy } = this.#settings;
    logger.warn(
      `cannot follow the revocations at ${this.#feed.url}: ${failure.details}; `
      + `outage policy: ${policy}`,
    );
  }
}

/** Returns the credentials of HTTP Basic (RFC 7617), in UTF-8. */
function basic(id, secret) {
  const bytes = new TextEncoder().encode(`${id}:${secret}`);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
