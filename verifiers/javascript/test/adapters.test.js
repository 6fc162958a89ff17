/** The adapters, each behind a real HTTP server or with the objects of its framework. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { protect as express } from '../src/express.js';
import { protect as fastify } from '../src/fastify.js';
import { hono, protect as fetchHandler } from '../src/fetch.js';
import { TestIssuer } from '../src/testing.js';

let issuer;
let verifier;
let token;
let ended;

before(async () => {
  issuer = await TestIssuer.create();
  verifier = issuer.verifier();
  token = await issuer.token({ sub: 'ada', scope: 'reports:read', roles: ['editor'] });
  ended = await issuer.token();
  issuer.endSession((await verifier.verify(ended)).sid);
});

/** Requirement, values of the Authorization header, and the expected answer. */
const cases = () => [
  [{}, [`Bearer ${token}`], 200, 'ada'],
  [{}, [`bearer   ${token} `], 200, 'ada'],
  [{ scope: 'reports:read', role: 'editor' }, [`Bearer ${token}`], 200, 'ada'],
  [{ optional: true }, [`Bearer ${token}`], 200, 'ada'],
  [{ optional: true }, [], 200, 'guest'],
  [{ optional: true }, ['Bearer x'], 401, 'token_not_valid', 'Bearer error="invalid_token"'],
  [{}, [], 401, 'not_authenticated', 'Bearer'],
  [{}, ['Basic YTpi'], 401, 'authentication_failed', 'Bearer error="invalid_request"'],
  [{}, ['Bearer'], 401, 'authentication_failed', 'Bearer error="invalid_request"'],
  [{}, [`Bearer ${token}, ${token}`], 401, 'authentication_failed',
    'Bearer error="invalid_request"'],
  [{}, [`Bearer ${token}`, `Bearer ${token}`], 401, 'authentication_failed',
    'Bearer error="invalid_request"'],
  [{}, [`Bearer ${ended}`], 401, 'token_not_valid', 'Bearer error="invalid_token"'],
  [{ scope: 'reports:write' }, [`Bearer ${token}`], 403, 'permission_denied',
    'Bearer error="insufficient_scope", scope="reports:write"'],
  [{ role: 'admin' }, [`Bearer ${token}`], 403, 'permission_denied',
    'Bearer error="insufficient_scope"'],
];

/** Sends a request with these headers, which `fetch` would join. */
async function send(port, values) {
  const request = httpRequest({ port, headers: { Authorization: values } });
  if (values.length === 0) request.removeHeader('Authorization');
  request.end();
  const [response] = await once(request, 'response');
  const body = (await response.toArray()).join('');
  return { status: response.statusCode, headers: new Headers(response.headers), body };
}

function assertAnswer({ status, headers, body }, [, values, expected, code, challenge]) {
  assert.equal(status, expected, `${values}: ${body}`);
  if (status === 200) return assert.equal(body, code);
  assert.equal(headers.get('content-type'), 'application/problem+json');
  assert.equal(headers.get('www-authenticate'), challenge);
  const problem = JSON.parse(body);
  assert.deepEqual([problem.type, problem.status, problem.code], ['about:blank', status, code]);
  assert.match(problem.detail, /^[A-Z].*\.$/);
}

const name = (claims) => claims?.sub ?? 'guest';

describe('every adapter answers as RFC 6750 says', () => {
  test('Express', async () => {
    for (const each of cases()) {
      const guard = express(verifier, each[0]);
      const server = createServer((request, response) =>
        guard(request, response, () => response.end(name(request.auth))));
      server.listen(0);
      assertAnswer(await send(server.address().port, each[1]), each);
      server.close();
    }
  });

  test('Fastify', async () => {
    for (const each of cases()) {
      const hook = fastify(verifier, each[0]);
      const server = createServer(async (raw, response) => {
        const request = { raw };
        await hook(request, replyOf(response));
        if (!response.writableEnded) response.end(name(request.auth));
      });
      server.listen(0);
      assertAnswer(await send(server.address().port, each[1]), each);
      server.close();
    }
  });

  test('fetch handler', async () => {
    for (const each of cases()) {
      const handler = fetchHandler(verifier, (_, claims, env) =>
        new Response(name(claims), { headers: { 'X-Env': env } }), each[0]);
      const response = await handler(requestOf(each[1]), 'env');
      const { status, headers } = response;
      assertAnswer({ status, headers, body: await response.text() }, each);
      if (status === 200) assert.equal(headers.get('x-env'), 'env');
    }
  });

  test('Hono', async () => {
    for (const each of cases()) {
      let response;
      let claims;
      const c = { req: { raw: requestOf(each[1]) }, set: (_, value) => { claims = value; } };
      const next = async () => { response = new Response(name(claims)); };
      response = (await hono(verifier, each[0])(c, next)) ?? response;
      const { status, headers } = response;
      assertAnswer({ status, headers, body: await response.text() }, each);
    }
  });
});

/** Returns the members of Fastify's reply that a hook uses. */
function replyOf(response) {
  return {
    code(status) {
      response.statusCode = status;
      return this;
    },
    headers(values) {
      for (const [header, value] of Object.entries(values)) response.setHeader(header, value);
      return this;
    },
    send(body) {
      response.end(body);
      return this;
    },
  };
}

function requestOf(values) {
  const headers = new Headers();
  for (const value of values) headers.append('Authorization', value);
  return new Request('http://service.test/', { headers });
}

test('a verifier that cannot decide makes the answer 503', async () => {
  const closed = issuer.verifier({ jwks: { keys: [] } });
  const response = await fetchHandler(closed, () => new Response())(requestOf([`Bearer ${token}`]));
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
  assert.equal(response.headers.get('www-authenticate'), null);
  assert.deepEqual(await response.json(), {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: 'Tokens cannot be verified at the moment.',
    code: 'unavailable',
  });
});

test('a requirement that is unknown or contradicts itself is refused', () => {
  for (const requirement of [
    { scopes: 'a' }, { scope: '' }, { scope: undefined }, { role: ['a'] },
    { optional: true, scope: 'a' },
  ]) {
    assert.throws(() => express(verifier, requirement), TypeError, JSON.stringify(requirement));
  }
});

test('an error of a route is not an answer of the verifier', async () => {
  const handler = fetchHandler(verifier, () => { throw new RangeError('of the route'); });
  await assert.rejects(handler(requestOf([`Bearer ${token}`])), RangeError);
});

after(() => verifier.close());
