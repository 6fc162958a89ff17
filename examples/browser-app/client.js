// Signs users in at auth-service from a web page, and calls services with access tokens.
// Copy this file. It follows RFC 10017 (BCP 212), OAuth 2.0 for Browser-Based Applications:
//
// - The session is in a cookie that no script can read (HttpOnly). An injected script cannot copy
//   the session to another machine.
// - The access token is in a variable. localStorage would keep the token after the tab is closed,
//   for every script that this origin ever runs.
// - There is no refresh token here. The cookie takes its place, and auth-service never rotates the
//   cookie, so tabs cannot invalidate each other's credential.

/** An answer that is not 2xx. `status`, `code` and `errors` are those of the problem details. */
export class Problem extends Error {
  constructor(status, { detail, code, errors = {} }) {
    super(detail);
    Object.assign(this, { status, code, errors });
  }
}

/** No user is signed in, or the session has ended. */
export class SignedOut extends Error {}

// Name of the lock and of the channel that the tabs of this origin share.
const NAME = 'auth-service';
// Longest wait for a message that another tab has sent already, in milliseconds.
const MESSAGE_DELAY = 250;

/**
 * Returns a client of the auth-service at the origin `auth`.
 *
 * Another tab that signs in or out calls `onSignInElsewhere`. What this page shows may belong to
 * another user from then on, so the default loads the page anew.
 */
export function createClient(auth, onSignInElsewhere = () => location.reload()) {
  let token = null;
  let refreshing = null; // The refresh in progress, which concurrent calls of this tab share.
  let wakeUp = () => {};

  // Only pages of this origin receive these messages. Such a page can refresh by itself, so the
  // token in a message tells it nothing that it could not ask for.
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(NAME) : null;
  channel?.addEventListener('message', ({ data }) => {
    if (!data.token) return onSignInElsewhere();
    token = data.token;
    wakeUp();
  });
  const tellOtherTabs = (message) => channel?.postMessage(message);

  // One tab at a time changes the credentials. Without Web Locks (old browsers), each tab refreshes
  // for itself: more requests, and no other difference.
  const locks = navigator.locks ?? { request: (_name, ...rest) => rest.at(-1)(true) };

  /** Sends a request to auth-service with the cookie. Returns the JSON of the answer. */
  async function send(method, path, body) {
    const answer = await fetch(auth + path, {
      method,
      credentials: 'include', // The cookie. auth-service must list this origin in BROWSER_ORIGINS.
      headers: body && { 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const json = await answer.json().catch(() => ({})); // A 204 has no body.
    if (!answer.ok) throw new Problem(answer.status, json);
    return json;
  }

  /** Gets an access token for the cookie. The caller holds the lock. */
  async function renew() {
    try {
      token = (await send('POST', '/token/refresh')).access;
    } catch (error) {
      token = null;
      // 401: the session has ended. 400: the browser sent no cookie, and no refresh token either.
      throw [400, 401].includes(error.status) ? new SignedOut(error.message) : error;
    }
    tellOtherTabs({ token });
    return token;
  }

  /** Returns a token other than `refused`, from another tab if one has it or is about to. */
  async function renewOnce(refused) {
    const alone = (lock) => lock && renew();
    const renewed = await locks.request(NAME, { ifAvailable: true }, alone);
    if (renewed) return renewed;
    // Another tab refreshes, and sends its token to this one. If that tab fails or is closed, this
    // tab gets the lock and no message.
    const message = new Promise((resolve) => { wakeUp = resolve; });
    return locks.request(NAME, async () => {
      await Promise.race([message, new Promise((late) => setTimeout(late, MESSAGE_DELAY))]);
      return token && token !== refused ? token : renew();
    });
  }

  async function freshToken(refused) {
    if (token && token !== refused) return token;
    refreshing ??= renewOnce(refused).finally(() => { refreshing = null; });
    return refreshing;
  }

  /** Begins or ends a session, and tells the other tabs. */
  const changeSession = (method, path, body) => locks.request(NAME, async () => {
    const answer = await send(method, path, body);
    token = answer.tokens?.access ?? null;
    tellOtherTabs({ token: null });
    return answer;
  });

  return {
    register: (user) => send('POST', '/register', user),
    signIn: (username, password) =>
      changeSession('POST', '/login', { username, password, cookie: true }),
    signOut: () => changeSession('POST', '/logout'),
    signOutEverywhere: () => changeSession('POST', '/logout/all'),
    sessions: async () => (await send('GET', '/sessions')).sessions,
    endSession: (id) => send('DELETE', `/sessions/${encodeURIComponent(id)}`),

    /**
     * Calls a service like `fetch`, with the access token. If the service refuses the token, the
     * client refreshes and repeats the call, once: a second refusal is not a matter of expiry.
     */
    async call(url, options = {}) {
      const attempt = (access) => {
        const headers = new Headers(options.headers);
        headers.set('Authorization', `Bearer ${access}`);
        return fetch(url, { ...options, headers });
      };
      const used = await freshToken(null);
      const answer = await attempt(used);
      return answer.status === 401 ? attempt(await freshToken(used)) : answer;
    },
  };
}
