/**
 * Access tokens in web pages, after RFC 10017 (OAuth 2.0 for Browser-Based Applications):
 *
 * - The session is in a cookie that no script can read. An injected script cannot copy it.
 * - The access token is in a variable. `localStorage` would keep it after the tab is closed, for
 *   every script that this origin ever runs.
 * - There is no refresh token here. The cookie takes its place.
 *
 * This file uses no other one, so a page can load it as it is.
 */

// Name of the lock and of the channel that the tabs of this origin share.
const NAME = 'auth-service';
// Longest wait for a message that another tab has sent already, in milliseconds.
const MESSAGE_DELAY_MS = 250;

/** No user is signed in, or the session has ended. */
export class SignedOut extends Error {}

/** The access token of this page, shared by the tabs of its origin, in memory only. */
export class AccessToken {
  #token = null;
  #origins;
  #refresh;
  #channel;
  /** The refresh in progress, which concurrent calls of this tab share. */
  #refreshing = null;
  /** Ends the wait for another tab's message. */
  #wakeUp = () => {};

  constructor({ issuer, origins, refresh, onSessionChange = () => location.reload() }) {
    const allowed = origins ?? [issuer, globalThis.location?.origin].filter(Boolean);
    this.#origins = new Set(allowed.map((url) => new URL(url).origin));
    this.#refresh = refresh ?? (() => refreshByCookie(issuer));
    // Only pages of this origin receive these messages. Such a page can refresh by itself, so the
    // token in a message tells it nothing that it could not ask for.
    this.#channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(NAME) : null;
    this.#channel?.addEventListener('message', ({ data }) => {
      this.#token = data.token;
      if (data.token === null) return onSessionChange();
      this.#wakeUp();
    });
  }

  /**
   * Calls a service like `fetch`, with the access token. If the service refuses the token, gets
   * another and repeats the call, once: a second refusal is not a matter of expiry. A call whose
   * body is a stream is not repeated.
   *
   * @throws {TypeError} if the service is not in `origins`: no other server may see the token
   * @throws {SignedOut}
   */
  async fetch(url, options = {}) {
    const { origin } = new URL(url, globalThis.location?.href);
    if (!this.#origins.has(origin)) throw new TypeError(`no access token for ${origin}`);
    const attempt = (token) => {
      const headers = new Headers(options.headers);
      headers.set('Authorization', `Bearer ${token}`);
      // A redirect could lead to another server.
      return fetch(url, { redirect: 'error', ...options, headers });
    };
    const used = await this.get();
    const answer = await attempt(used);
    const isStream = options.body instanceof ReadableStream;
    return answer.status === 401 && !isStream ? attempt(await this.get(used)) : answer;
  }

  /**
   * Returns an access token other than `refused`, which a service has refused.
   *
   * @throws {SignedOut}
   */
  async get(refused = null) {
    if (this.#token !== null && this.#token !== refused) return this.#token;
    this.#refreshing ??= this.#renewOnce(refused).finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  /**
   * Runs a sign-in or sign-out while no tab refreshes. `change` returns the new access token or
   * `null`. The other tabs call `onSessionChange`: what they show may belong to another user.
   */
  async changeSession(change) {
    await withLock({}, async () => {
      this.#token = await change();
      this.#channel?.postMessage({ token: null });
    });
  }

  /** Closes the channel to the other tabs. */
  close() {
    this.#channel?.close();
  }

  /** Gets a token from another tab if one has it or is about to, or else from the issuer. */
  async #renewOnce(refused) {
    const renewed = await withLock({ ifAvailable: true }, (lock) => lock && this.#renew());
    if (renewed) return renewed;
    // Another tab refreshes, and sends its token to this one. If that tab fails or is closed, this
    // tab gets the lock and no message.
    const message = new Promise((resolve) => { this.#wakeUp = resolve; });
    return withLock({}, async () => {
      const late = new Promise((resolve) => setTimeout(resolve, MESSAGE_DELAY_MS));
      await Promise.race([message, late]);
      const isOther = this.#token !== null && this.#token !== refused;
      return isOther ? this.#token : this.#renew();
    });
  }

  /** Gets a token from the issuer, and sends it to the other tabs. The caller holds the lock. */
  async #renew() {
    this.#token = null;
    this.#token = await this.#refresh();
    this.#channel?.postMessage({ token: this.#token });
    return this.#token;
  }
}

/**
 * Runs an action while no other tab holds the lock. Without Web Locks (old browsers, plain HTTP),
 * each tab refreshes for itself: more requests, and no other difference.
 */
function withLock(options, action) {
  const locks = globalThis.navigator?.locks;
  return locks ? locks.request(NAME, options, action) : action(true);
}

/** Gets an access token for the session cookie. The issuer must list this origin. */
async function refreshByCookie(issuer) {
  const url = `${issuer.replace(/\/$/, '')}/token/refresh`;
  const answer = await fetch(url, { method: 'POST', credentials: 'include' });
  const body = await answer.json().catch(() => ({}));
  // 401: the session has ended. 400: the browser sent no cookie, and there is no refresh token.
  if (answer.status === 400 || answer.status === 401) throw new SignedOut(body.detail);
  if (!answer.ok) throw new Error(body.detail ?? `the issuer answered ${answer.status}`);
  return body.access;
}
