/** The issuer's keys over HTTP: discovery, outages, unknown key ids, rotation. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { Clock, Verifier } from '../src/index.js';
import { metadataUrls } from '../src/http.js';
import { encode } from '../src/token/base64url.js';
import { IssuerServer, QUIET } from './support/issuer_server.js';
import { until, verdictOf } from './support/wait.js';

const MINUTES_10 = 10 * 60 * 1000;
const DAYS_2 = 2 * 24 * 60 * 60 * 1000;

let server;
let clock;
let verifiers;

beforeEach(async () => {
  server = await IssuerServer.start();
  clock = new Clock();
  verifiers = [];
});

afterEach(async () => {
  for (const verifier of verifiers) verifier.close();
  await server.stop();
});

function verifierOf(settings) {
  const verifier =
    new Verifier({ issuer: server.url, audience: 'api', clock, logger: QUIET, ...settings });
  verifiers.push(verifier);
  return verifier;
}

/** Returns a token that is valid for long, by the clock of the test. */
async function longToken() {
  return server.token({ lifetime: 30 * 24 * 60 * 60 });
}

test('metadata is looked up where RFC 8414 and OpenID Connect place it', () => {
  assert.deepEqual(metadataUrls('https://example.com/auth'), [
    'https://example.com/.well-known/oauth-authorization-server/auth',
    'https://example.com/auth/.well-known/openid-configuration',
  ]);
  assert.deepEqual(metadataUrls('https://example.com'), [
    'https://example.com/.well-known/oauth-authorization-server',
    'https://example.com/.well-known/openid-configuration',
  ]);
});

test('the keys are found by the metadata, and the first token waits for them', async () => {
  const verifier = verifierOf();
  assert.equal(verifier.isReady(), false);
  assert.equal(verifier.keysError().code, 'not_fetched_yet');
  const claims = await verifier.verify(await server.token({ sub: 'ada' }));
  assert.equal(claims.sub, 'ada');
  assert.equal(verifier.keysError(), null);
  await verifier.ready();
});

test('the metadata of OpenID Connect is used if there is none of OAuth', async () => {
  const metadata = { issuer: `${server.url}/`, jwks_uri: `${server.url}/jwks` };
  server.instead = ({ url }, response) => {
    if (!url.startsWith('/.well-known/')) return false;
    const isOpenId = url === '/.well-known/openid-configuration';
    response.writeHead(isOpenId ? 200 : 404).end(JSON.stringify(metadata));
    return true;
  };
  await verifierOf().ready();
});

test('metadata of another issuer is refused, and the check at start names it', async () => {
  server.instead = (_, response) => {
    const other = { issuer: 'http://other.test', jwks_uri: `${server.url}/jwks` };
    response.end(JSON.stringify(other));
    return true;
  };
  const verifier = verifierOf();
  await assert.rejects(verifier.ready(), /another issuer, http:\/\/other\.test: build the/);
  assert.equal(verifier.keysError().code, 'issuer_mismatch');
  assert.equal(verifier.keysError().message, 'metadata of another issuer');
});

describe('an issuer that does not answer as it should', () => {
  const cases = {
    'status 401': [(response) => response.writeHead(401).end(), 'status', 'unexpected status 401'],
    'status 503': [(response) => response.writeHead(503).end(), 'status', 'unexpected status 503'],
    'a redirect': [
      (response) => response.writeHead(302, { Location: `${server.url}/jwks` }).end(),
      'status', 'unexpected status 302',
    ],
    'a page of HTML': [
      (response) => response.end('<!doctype html><title>Log in</title>'),
      'invalid_response', 'invalid response',
    ],
    'too much': [
      (response) => response.end(' '.repeat(300_000)), 'invalid_response', 'invalid response',
    ],
    'a broken connection': [
      (response) => response.destroy(), 'connection_lost', 'connection lost',
    ],
    'an empty body': [(response) => response.end(), 'invalid_response', 'invalid response'],
    'null': [(response) => response.end('null'), 'invalid_response', 'invalid response'],
  };
  for (const [name, [answer, code, message]] of Object.entries(cases)) {
    test(name, async () => {
      server.instead = (_, response) => {
        answer(response);
        return true;
      };
      const verifier = verifierOf({ jwksUrl: `${server.url}/jwks` });
      const token = await server.token();
      assert.equal(await verdictOf(verifier, token), 'keys_unavailable');
      assert.equal(verifier.keysError().code, code);
      assert.equal(verifier.keysError().message, message);
      // The background tries again by itself.
      server.instead = () => false;
      await verifier.ready();
      assert.equal(await verdictOf(verifier, token), 'accepted');
    });
  }

  test('no server', async () => {
    const issuer = server.url;
    await server.stop();
    const verifier = verifierOf({ issuer });
    await until('a failure', () => verifier.keysError().code !== 'not_fetched_yet');
    assert.equal(verifier.keysError().code, 'connection_refused');
  });

  test('no host of this name', async () => {
    const verifier = verifierOf({ issuer: 'http://no-such-host.invalid' });
    await until('a failure', () => verifier.keysError().code !== 'not_fetched_yet');
    assert.equal(verifier.keysError().code, 'unknown_host');
  });

  test('a key set without usable key', async () => {
    server.issuers = [];
    const verifier = verifierOf();
    await until('a failure', () => verifier.keysError().code !== 'not_fetched_yet');
    assert.equal(verifier.keysError().code, 'invalid_response');
  });
});

test('ten thousand unknown key ids cause one fetch in an interval', async () => {
  const verifier = verifierOf();
  await verifier.ready();
  const before = server.fetches;
  const header = { alg: 'ES256', typ: 'at+jwt' };
  const tokens = Array.from({ length: 10_000 }, (_, number) =>
    `${encode(JSON.stringify({ ...header, kid: `made up ${number}` }))}.e30.AAAA`);
  const verdicts = await Promise.all(tokens.map((token) => verdictOf(verifier, token)));
  assert.deepEqual(new Set(verdicts), new Set(['unknown_key']));
  assert.equal(server.fetches, before + 1);
  clock.advance(10_000);
  assert.equal(await verdictOf(verifier, tokens[0]), 'unknown_key');
  assert.equal(await verdictOf(verifier, tokens[1]), 'unknown_key');
  assert.equal(server.fetches, before + 2);
});

test('a token that is refused anyway causes no fetch', async () => {
  const verifier = verifierOf();
  await verifier.ready();
  const before = server.fetches;
  const header = { alg: 'ES256', typ: 'at+jwt', kid: 'made up' };
  for (const [change, verdict] of [
    [{ alg: 'none' }, 'algorithm'], [{ typ: 'JWT' }, 'wrong_type'], [{ crit: [] }, 'critical'],
  ]) {
    const token = await server.current.sign({ ...header, ...change }, {});
    assert.equal(await verdictOf(verifier, token), verdict);
  }
  assert.equal(await verdictOf(verifier, 'a.b.c'), 'malformed');
  assert.equal(server.fetches, before);
});

test('a thousand concurrent requests succeed while the keys rotate', async () => {
  const verifier = verifierOf();
  await verifier.ready();
  const before = server.fetches;
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    const old = await server.token();
    await server.rotate();
    clock.advance(10_000);
    const distinct = await Promise.all(Array.from({ length: 10 }, () => server.token()));
    const requests = Array.from({ length: 1_000 }, (_, number) =>
      verdictOf(verifier, number % 2 ? old : distinct[number % 10]));
    assert.deepEqual(new Set(await Promise.all(requests)), new Set(['accepted']));
    assert.equal(server.fetches, before + rotation);
  }
});

test('an issuer that is away for ten minutes is not noticed', async () => {
  const verifier = verifierOf();
  const [known, unseen] = [await longToken(), await longToken()];
  assert.equal(await verdictOf(verifier, known), 'accepted');
  await server.stop();
  clock.advance(MINUTES_10);
  assert.equal(await verdictOf(verifier, known), 'accepted');
  assert.equal(await verdictOf(verifier, unseen), 'accepted');
});

test('keys are refused two days after the last fetch, until the issuer is back', async () => {
  const verifier = verifierOf();
  const token = await longToken();
  assert.equal(await verdictOf(verifier, token), 'accepted');
  server.instead = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
  clock.advance(DAYS_2);
  assert.equal(await verdictOf(verifier, token), 'keys_unavailable');
  assert.equal(verifier.isReady(), false);
  assert.equal(verifier.keysError().code, 'status');
  server.instead = () => false;
  // A request causes the fetch, at most one in an interval.
  assert.equal(await verdictOf(verifier, token), 'keys_unavailable');
  clock.advance(10_000);
  assert.equal(await verdictOf(verifier, token), 'accepted');
});

test('the background fetches at the interval, and an unchanged set keeps the cache', async () => {
  let conditional = 0;
  server.instead = ({ url, headers }, response) => {
    if (url !== '/jwks') return false;
    response.setHeader('ETag', '"1"');
    if (headers['if-none-match'] !== '"1"') return false;
    conditional += 1;
    response.writeHead(304).end();
    return true;
  };
  const verifier = verifierOf({ refreshInterval: 0.02 });
  const token = await server.token();
  await verifier.verify(token);
  await until('three fetches', () => conditional >= 3);
  assert.equal(verifier.verifyCached(token)?.iss, server.url);
});

test('a withdrawn key is refused from the next fetch on, also from the cache', async () => {
  const verifier = verifierOf();
  const token = await server.token();
  assert.equal(await verdictOf(verifier, token), 'accepted');
  await server.rotate();
  server.issuers.shift();
  const next = await server.token();
  assert.equal(await verdictOf(verifier, next), 'accepted', 'the unknown key causes a fetch');
  assert.equal(await verdictOf(verifier, token), 'unknown_key');
});

test('without a background, requests fetch the keys when the interval has passed', async () => {
  const verifier = verifierOf({ background: false });
  assert.equal(server.requests.length, 0);
  const token = await longToken();
  const verdicts = await Promise.all([1, 2, 3].map(() => verdictOf(verifier, token)));
  assert.deepEqual(verdicts, ['accepted', 'accepted', 'accepted']);
  assert.equal(server.fetches, 1);
  clock.advance(301_000);
  assert.equal(await verdictOf(verifier, await longToken()), 'accepted');
  assert.equal(server.fetches, 2);
});

test('a program that waits until it is ready keeps running', async () => {
  server.instead = (_, response) => {
    // The first attempt fails, so that the program waits for a timer alone.
    server.instead = () => false;
    response.writeHead(503).end();
    return true;
  };
  const program = `
    import { Verifier } from ${JSON.stringify(new URL('../src/index.js', import.meta.url))};
    const logger = { info() {}, warn() {} };
    const verifier = new Verifier({
      issuer: ${JSON.stringify(server.url)}, jwksUrl: ${JSON.stringify(`${server.url}/jwks`)},
      audience: 'api', logger,
    });
    await verifier.ready();
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
  const [printed, [status]] = await Promise.all([child.stdout.toArray(), once(child, 'close')]);
  assert.deepEqual([status, String(printed.join(''))], [0, 'ready\n']);
});

test('a closed verifier makes no request', async () => {
  server.instead = (request) => {
    request.url = request.url.split('?')[0];
    return false;
  };
  const [closed, open] = ['closed', 'open'].map((name) =>
    verifierOf({ refreshInterval: 0.01, jwksUrl: `${server.url}/jwks?${name}` }));
  const requestsOf = (name) => server.requests.filter((path) => path.endsWith(name)).length;
  await closed.ready();
  await open.ready();
  closed.close();
  const before = requestsOf('closed');
  const others = requestsOf('open');
  await until('ten requests of the other', () => requestsOf('open') >= others + 10);
  assert.equal(requestsOf('closed'), before);
});
