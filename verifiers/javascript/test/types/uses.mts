/** Compiled by `types.test.js`, never run. */

import { createServer } from 'node:http';

import { AccessToken, SignedOut } from 'auth-service-verifier/browser';
import { protect as express } from 'auth-service-verifier/express';
import { protect as fastify } from 'auth-service-verifier/fastify';
import { hono, protect } from 'auth-service-verifier/fetch';
import { TestIssuer } from 'auth-service-verifier/testing';
import { Clock, NotReady, Verifier, VerifyError } from 'auth-service-verifier';
import type { AccessClaims, OutagePolicy, Reason } from 'auth-service-verifier';

const outage: OutagePolicy = 'bounded:30';
const feed = { url: 'https://a.test/revocations', clientId: 'a', clientSecret: 'b', outage };
const clock = new Clock();
const verifier = new Verifier({ issuer: 'https://a.test', audience: ['api'], feed, clock });

// @ts-expect-error: a verifier needs an audience
new Verifier({ issuer: 'https://a.test' });
// @ts-expect-error: no such policy
new Verifier({ issuer: 'https://a.test', audience: 'api', feed: { ...feed, outage: 'open' } });

export async function use(token: string): Promise<string> {
  try {
    await verifier.ready();
    const claims: AccessClaims = await verifier.verify(token);
    // @ts-expect-error: claims are frozen
    claims.sub = 'other';
    return claims.hasScope('a') ? claims.sub : (claims.preferred_username ?? '');
  } catch (error) {
    if (error instanceof NotReady) return error.message;
    if (!(error instanceof VerifyError)) throw error;
    const reason: Reason = error.reason;
    return `${reason} ${error.status} ${error.challenge() ?? ''} ${error.problem().detail}`;
  }
}

const guard = express(verifier, { scope: 'reports:read' });
createServer((request, response) => guard(request, response, () => response.end()));

interface Fastify {
  addHook(name: 'onRequest', hook: ReturnType<typeof fastify>): void;
}
export const register = (app: Fastify) =>
  app.addHook('onRequest', fastify(verifier, { role: 'a' }));

const fetchHandler = protect(verifier, (request, claims, env: { name: string }) =>
  new Response(`${request.url} ${claims.sub} ${env.name}`));
const guests = protect(verifier, (_, claims) => new Response(claims?.sub), { optional: true });
export default { fetch: fetchHandler, guests, middleware: hono(verifier) };

export async function test(): Promise<void> {
  const issuer = await TestIssuer.create();
  await issuer.verifier({ leeway: 0 }).verify(await issuer.token({ sub: 'ada', lifetime: 60 }));
  issuer.clock.advance(1000);
}

export async function page(): Promise<Response | null> {
  const access = new AccessToken({ issuer: 'https://a.test', origins: ['https://api.test'] });
  return access.fetch('/reports').catch((error) => {
    if (error instanceof SignedOut) return null;
    throw error;
  });
}
