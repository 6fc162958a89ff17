/** Adapters for servers that map a `Request` to a `Response`: Hono, Workers, Deno, Bun. */

import { VerifyError } from './errors.js';
import { routeCheck } from './request.js';

/** Returns the values of the `Authorization` headers. Several are joined by a comma: refused. */
function authorization(request) {
  const value = request.headers.get('authorization');
  return value === null ? [] : [value];
}

/**
 * Returns a fetch handler that calls `handler(request, claims, ...rest)` only for requests with a
 * valid access token. `rest` is what the server passes, such as `env` and `ctx` of Workers.
 */
export function protect(verifier, handler, requirement) {
  const check = routeCheck(verifier, requirement);
  return async (request, ...rest) => {
    let claims;
    try {
      claims = await check(authorization(request));
    } catch (error) {
      return responseOf(error);
    }
    return handler(request, claims, ...rest);
  };
}

/**
 * Returns a middleware for Hono that lets only requests with a valid access token pass. The claims
 * are `c.get('auth')`.
 */
export function hono(verifier, requirement) {
  const check = routeCheck(verifier, requirement);
  return async (c, next) => {
    let claims;
    try {
      claims = await check(authorization(c.req.raw));
    } catch (error) {
      return responseOf(error);
    }
    c.set('auth', claims);
    return next();
  };
}

function responseOf(error) {
  if (error instanceof VerifyError) return error.response();
  throw error;
}
