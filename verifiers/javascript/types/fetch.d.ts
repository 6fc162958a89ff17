import type { AccessClaims, Requirement, Verifier } from './index.js';

/** Returns a fetch handler that runs only for requests with a valid access token. */
export function protect<Rest extends unknown[]>(
  verifier: Verifier,
  handler: (request: Request, claims: AccessClaims, ...rest: Rest) => Response | Promise<Response>,
  requirement?: Requirement & { optional?: false },
): (request: Request, ...rest: Rest) => Promise<Response>;
export function protect<Rest extends unknown[]>(
  verifier: Verifier,
  handler:
    (request: Request, claims: AccessClaims | null, ...rest: Rest) => Response | Promise<Response>,
  requirement: Requirement,
): (request: Request, ...rest: Rest) => Promise<Response>;

/** The members of Hono's context that the middleware uses. */
interface Context {
  req: { raw: Request };
  set(name: 'auth', claims: AccessClaims | null): void;
}

/** Returns a middleware for Hono. The claims are `c.get('auth')`. */
export function hono(verifier: Verifier, requirement?: Requirement):
  (c: Context, next: () => Promise<void>) => Promise<Response | void>;
