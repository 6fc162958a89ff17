/** Adapter for Express, and for every server that calls `(request, response, next)`. */

import { VerifyError } from './errors.js';
import { nodeHeaders, routeCheck } from './request.js';

/**
 * Returns a middleware that lets only requests with a valid access token pass. The claims are in
 * `request.auth`: `null` if the token is `optional` and absent.
 */
export function protect(verifier, requirement) {
  const check = routeCheck(verifier, requirement);
  return (request, response, next) => {
    const proceed = (claims) => {
      request.auth = claims;
      next();
    };
    // Two functions: an error of the routes behind `next` is none of the verifier's.
    check(nodeHeaders(request)).then(proceed, (error) => refuse(response, error, next));
  };
}

function refuse(response, error, next) {
  if (!(error instanceof VerifyError)) return next(error);
  response.statusCode = error.status;
  for (const [name, value] of Object.entries(error.headers())) response.setHeader(name, value);
  response.end(JSON.stringify(error.problem()));
}
