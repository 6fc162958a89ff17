/**
 * A small service behind the verifier. The system tests start it with the settings of a process.
 */

import { createServer } from 'node:http';

import { protect } from '../../src/express.js';
import { Verifier } from '../../src/index.js';

const { env } = process;
const verifier = new Verifier({
  issuer: env.ISSUER,
  audience: 'api',
  jwksUrl: env.JWKS_URL,
  feed: {
    url: env.REVOCATIONS_URL,
    clientId: env.REVOCATIONS_CLIENT_ID,
    clientSecret: env.REVOCATIONS_CLIENT_SECRET,
  },
});

const guard = protect(verifier);

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

// The system tests compare every answer of a service with its OpenAPI document.
const json = { content: { 'application/json': { schema: {} } } };
const problem = { content: { 'application/problem+json': { schema: {} } } };
const DOCUMENT = {
  paths: {
    '/readyz': { get: { responses: { 200: json, 503: json } } },
    '/whoami': { get: { responses: { 200: json, 401: problem, 503: problem } } },
  },
};

const server = createServer((request, response) => {
  if (request.url === '/openapi.json') return answer(response, 200, DOCUMENT);
  if (request.url === '/readyz') {
    const revocations = verifier.revocations().isCurrent ? 'ok' : 'not followed';
    const keys = verifier.keysError()?.message ?? 'ok';
    return answer(response, verifier.isReady() ? 200 : 503, { revocations, keys });
  }
  guard(request, response, (error) => {
    if (error) return answer(response, 500, {});
    answer(response, 200, request.auth);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`service listens on http://127.0.0.1:${server.address().port}`);
});
