import type { IncomingMessage } from 'node:http';

import type { AccessClaims, Requirement, Verifier } from './index.js';

/** The members of Fastify's objects that the hook uses. */
interface Request {
  raw: IncomingMessage;
  auth?: AccessClaims | null;
}

interface Reply {
  code(status: number): this;
  headers(values: Record<string, string>): this;
  send(body: string): this;
}

/** Returns an `onRequest` hook that lets only requests with a valid access token pass. */
export function protect(verifier: Verifier, requirement?: Requirement):
  (request: Request, reply: Reply) => Promise<unknown>;
