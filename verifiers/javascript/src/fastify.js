/** Adapter for Fastify. */

import { VerifyError } from './errors.js';
import { nodeHeaders, routeCheck } from './request.js';

/**
 * Returns an `onRequest` hook that lets only requests with a valid access token pass. The claims
 * are in `request.auth`: `null` if the token is `optional` and absent.
 */
export function protect(verifier, requirement) {
  const check = routeCheck(verifier, requirement);
  return async (request, reply) => {
    try {
      request.auth = await check(nodeHeaders(request.raw));
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      // A sent reply ends the request.
      return reply
        .code(error.status)
        .headers(error.headers())
        .send(JSON.stringify(error.problem()));
    }
  };
}
