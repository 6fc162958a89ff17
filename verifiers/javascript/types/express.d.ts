import type { IncomingMessage, ServerResponse } from 'node:http';

import type { AccessClaims, Requirement, Verifier } from './index.js';

declare global {
  namespace Express {
    interface Request {
      /** Claims of the access token. `null` if the token is optional and absent. */
      auth?: AccessClaims | null;
    }
  }
}

/** Returns a middleware that lets only requests with a valid access token pass. */
export function protect(verifier: Verifier, requirement?: Requirement): (
  request: IncomingMessage & { auth?: AccessClaims | null },
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;
