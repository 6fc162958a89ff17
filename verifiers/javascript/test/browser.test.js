/**
 * The browser helper: several tabs are several objects of this process, with its BroadcastChannel.
 * The services are `fetch` functions.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { AccessToken, SignedOut } from '../src/browser.js';
import { Locks } from './support/locks.js';
import { until } from './support/wait.js';

const ISSUER = 'https://auth.example.com';
const SERVICE = 'https://api.example.com';
const globals = ['navigator', 'fetch'];
const originals = globals.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));

let tabs;
let refreshes;
/** The token that the service accepts. */
let accepted;
let calls;
let changes;

beforeEach(() => {
  tabs = [];
  refreshes = 0;
  accepted = 'token 1';
  calls = [];
  changes = 0;
  define('navigator', { locks: new Locks() });
  define('fetch', service);
});

afterEach(() => {
  for (const tab of tabs) tab.close();
  globals.forEach((name, at) => {
    if (originals[at]) Object.defineProperty(globalThis, name, originals[at]);
    else delete globalThis[name];
  });
});

function define(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

async function service(url, options) {
  calls.push({ url: String(url), ...options });
  const isAccepted = options.headers.get('authorization') === `Bearer ${accepted}`;
  return new Response(isAccepted ? 'report' : '', { status: isAccepted ? 200 : 401 });
}

async function refresh() {
  refreshes += 1;
  await new Promise((resolve) => setTimeout(resolve, 10));
  return accepted;
}

function tab(settings) {
  const onSessionChange = () => { changes += 1; };
  const created =
    new AccessToken({ issuer: ISSUER, origins: [SERVICE], refresh, onSessionChange, ...settings });
  tabs.push(created);
  return created;
}

test('a hundred calls of three tabs share one refresh', async () => {
  const three = [tab(), tab(), tab()];
  const answers = await Promise.all(Array.from({ length: 100 }, (_, number) =>
    three[number % 3].fetch(`${SERVICE}/reports`)));
  assert(answers.every(({ status }) => status === 200));
  assert.equal(refreshes, 1);
});

test('a token that a service refuses is replaced once, and the calls are repeated', async () => {
  const two = [tab(), tab()];
  await Promise.all(two.map((each) => each.fetch(`${SERVICE}/reports`)));
  accepted = 'token 2';
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, number) => two[number % 2].fetch(`${SERVICE}/reports`)));
  assert(answers.every(({ status }) => status === 200));
  assert.equal(refreshes, 2);
});

test('a second refusal goes to the caller', async () => {
  const only = tab({ refresh: async () => 'refused' });
  const answer = await only.fetch(`${SERVICE}/reports`);
  assert.equal(answer.status, 401);
  assert.equal(calls.length, 2);
});

test('a call whose body is a stream is not repeated', async () => {
  const only = tab({ refresh: async () => 'refused' });
  const body = new Blob(['x']).stream();
  const answer = await only.fetch(`${SERVICE}/reports`, { method: 'POST', body });
  assert.equal(answer.status, 401);
  assert.equal(calls.length, 1);
});

test('no other server sees the token, and no redirect is followed', async () => {
  const only = tab();
  for (const url of ['https://evil.example.com/', 'https://api.example.com.evil.test/']) {
    await assert.rejects(only.fetch(url), TypeError);
  }
  assert.equal(calls.length, 0);
  assert.equal(refreshes, 0);
  await only.fetch(`${SERVICE}/reports`, { headers: { Accept: 'text/plain' } });
  assert.equal(calls[0].redirect, 'error');
  assert.equal(calls[0].headers.get('accept'), 'text/plain');
});

test('a failed refresh fails the calls that wait for it, and the next one tries again', async () => {
  let fails = true;
  const only = tab({ refresh: () => (fails ? Promise.reject(new SignedOut('ended')) : refresh()) });
  const failed = await Promise.allSettled([1, 2, 3].map(() => only.fetch(`${SERVICE}/reports`)));
  assert(failed.every(({ reason }) => reason instanceof SignedOut));
  fails = false;
  assert.equal((await only.fetch(`${SERVICE}/reports`)).status, 200);
});

test('a tab whose neighbour fails to refresh does it by itself', async () => {
  const failing = tab({ refresh: async () => { throw new Error('no network'); } });
  const working = tab();
  const [failed, answer] = await Promise.allSettled(
    [failing, working].map((each) => each.fetch(`${SERVICE}/reports`)));
  assert.equal(failed.status, 'rejected');
  assert.equal(answer.value.status, 200);
});

test('a tab that signs in or out tells the others, which forget their token', async () => {
  const [first, second] = [tab(), tab()];
  assert.deepEqual(await Promise.all([first.get(), second.get()]), ['token 1', 'token 1']);
  accepted = 'token of another user';
  await first.changeSession(async () => accepted);
  await until('the message', () => changes === 1);
  assert.equal(await first.get(), accepted);
  assert.equal(refreshes, 1);
  assert.equal(await second.get(), accepted);
  assert.equal(refreshes, 2);
});

test('without Web Locks each tab refreshes for itself', async () => {
  define('navigator', {});
  const two = [tab(), tab()];
  await Promise.all(two.map((each) => each.fetch(`${SERVICE}/reports`)));
  assert.equal(refreshes, 2);
});

test('by default the session cookie is exchanged for a token', async () => {
  const answers = {
    200: { access: 'token 1' }, 400: { detail: 'no cookie' }, 401: { detail: 'ended' }, 503: {},
  };
  for (const [status, body] of Object.entries(answers)) {
    define('fetch', async (url, options) => {
      calls.push({ url, ...options });
      return new Response(JSON.stringify(body), { status: Number(status) });
    });
    const only = tab({ refresh: undefined, issuer: `${ISSUER}/` });
    const outcome = await only.get().catch((error) => error);
    if (status === '200') assert.equal(outcome, 'token 1');
    else assert.equal(outcome instanceof SignedOut, status !== '503', status);
    const { url, method, credentials } = calls.at(-1);
    assert.deepEqual([url, method, credentials],
      [`${ISSUER}/token/refresh`, 'POST', 'include']);
  }
});
