// The page: forms, buttons and the list of sessions. client.js has what to copy into an app.

import { createClient, Problem, SignedOut } from './client.js';

// Addresses of the services. The Content-Security-Policy of index.html lists them too.
const AUTH = 'http://127.0.0.1:8080';
const RESOURCE = 'http://127.0.0.1:8081';

// Every user may call the first. The others need a scope and a role that an operator grants.
const ROUTES = ['/whoami', '/reports', '/admin'];
const SECTIONS = ['loading', 'sign-in', 'register', 'account'];
const COOKIES_OFF = 'The browser did not keep the cookie of your session. Allow cookies for '
  + `${AUTH}, then sign in again.`;

const client = createClient(AUTH);
const element = (id) => document.getElementById(id);

function show(section) {
  for (const each of SECTIONS) element(each).hidden = each !== section;
  element(section).querySelector('input, button')?.focus();
}

function say(text, isError = false) {
  element('message').textContent = text;
  element('message').classList.toggle('error', isError);
}

/** Shows that no user is signed in, and nothing of the user before. */
function showSignIn(text, isError) {
  for (const id of ['name', 'answer', 'sessions']) element(id).replaceChildren();
  element('answer').hidden = true;
  show('sign-in');
  say(text, isError);
}

/** Returns what people read about an error. */
function describe(error) {
  if (error instanceof Problem) {
    const fields = Object.entries(error.errors);
    const lines = fields.map(([name, messages]) => `${name}: ${messages.join(' ')}`);
    return lines.join('\n') || error.message;
  }
  // The browser does not tell a script whether the service is down or CORS forbids the answer.
  return `No answer. Do ${AUTH} and ${RESOURCE} run, with ${location.origin} in BROWSER_ORIGINS?`;
}

/** Runs an action of the user. The action's button is disabled meanwhile. */
async function run(button, action) {
  if (button.disabled) return;
  button.disabled = true;
  say('');
  try {
    await action();
  } catch (error) {
    const hasEnded = error instanceof SignedOut || (error.status === 401 && !button.form);
    if (hasEnded) showSignIn('Your session has ended.');
    else say(describe(error), true);
  } finally {
    button.disabled = false;
  }
}

async function showAccount() {
  const answer = await client.call(`${AUTH}/me`);
  if (!answer.ok) throw new Problem(answer.status, await answer.json());
  element('name').textContent = (await answer.json()).username;
  await showSessions();
  show('account');
}

/** Returns a name that people recognise. A User-Agent names other browsers too: order matters. */
function device({ user_agent: agent }) {
  const first = (names, unknown) => names.find((name) => agent?.includes(name)) ?? unknown;
  const browser = first(['Firefox', 'Edg', 'Chrome', 'Safari', 'curl'], 'Unknown browser');
  const systems = ['Android', 'iPhone', 'Windows', 'Mac', 'Linux'];
  return `${browser} on ${first(systems, 'an unknown system')}`;
}

async function showSessions() {
  const time = (text) => new Date(text).toLocaleString();
  const rows = (await client.sessions()).map((session) => {
    const row = document.createElement('li');
    const text = document.createElement('span');
    text.textContent = `${device(session)}, last used ${time(session.last_used_at)}`;
    row.append(text);
    if (session.current) {
      text.append(document.createElement('br'), 'This session');
    } else {
      const button = document.createElement('button');
      button.textContent = 'End';
      button.setAttribute('aria-label', `End the session of ${time(session.created_at)}`);
      button.addEventListener('click', () => run(button, async () => {
        await client.endSession(session.id);
        await showSessions();
        say('The session has ended.');
      }));
      row.append(button);
    }
    return row;
  });
  element('sessions').replaceChildren(...rows);
}

async function signIn(username, password) {
  await client.signIn(username, password);
  try {
    await showAccount();
  } catch (error) {
    // The session is new, so only a missing cookie explains a 401.
    if (error.status !== 401 && !(error instanceof SignedOut)) throw error;
    showSignIn(COOKIES_OFF, true);
  }
}

function onSubmit(section, action) {
  const form = element(section).querySelector('form');
  form.addEventListener('submit', (event) => {
    event.preventDefault(); // The script sends the values. The page never does.
    run(form.querySelector('button'), async () => {
      await action(Object.fromEntries(new FormData(form)));
      form.reset();
    });
  });
}

function onClick(id, action) {
  element(id).addEventListener('click', () => run(element(id), action));
}

onSubmit('sign-in', ({ username, password }) => signIn(username, password));
onSubmit('register', async (user) => {
  await client.register(user);
  await signIn(user.username, user.password);
});
onClick('call', async () => {
  // Three calls at once: if the token has expired, they share one refresh.
  const lines = await Promise.all(ROUTES.map(async (route) => {
    const answer = await client.call(RESOURCE + route);
    const json = await answer.json();
    return `GET ${route}: ${answer.status}\n${json.detail ?? JSON.stringify(json, null, 2)}`;
  }));
  element('answer').textContent = lines.join('\n\n');
  element('answer').hidden = false;
  say('resource-service has answered.');
});
onClick('sign-out', async () => {
  await client.signOut();
  showSignIn('You are signed out.');
});
onClick('sign-out-everywhere', async () => {
  await client.signOutEverywhere();
  showSignIn('You are signed out everywhere.');
});
for (const button of document.querySelectorAll('[data-show]')) {
  button.addEventListener('click', () => show(button.dataset.show));
}
// A page that the browser restores from memory may show a session that has ended.
addEventListener('pageshow', (event) => event.persisted && location.reload());

// A user who has signed in before has a cookie, and needs no form.
showAccount().catch((error) => {
  if (error instanceof SignedOut) showSignIn('');
  else showSignIn(describe(error), true);
});
