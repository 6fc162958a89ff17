/** The token of a request, and what a route requires of it. For the adapters. */

import { VerifyError } from './errors.js';

/**
 * Returns the token in the values of a request's `Authorization` headers (RFC 6750 section 2.1).
 *
 * @throws {VerifyError} `missing` or `malformed_header`
 */
export function bearerToken(values) {
  if (values.length === 0) throw new VerifyError('missing');
  const header = values[0].trim();
  const space = header.indexOf(' ');
  const scheme = header.slice(0, Math.max(space, 0));
  const token = header.slice(space + 1).trimStart();
  // A list, as from headers that a proxy has joined, is ambiguous.
  const isList = values.length > 1 || token.includes(' ') || token.includes(',');
  if (scheme.toLowerCase() !== 'bearer' || token === '' || isList) {
    throw new VerifyError('malformed_header');
  }
  return token;
}

/**
 * Returns the check of a route: a function from the values of the `Authorization` headers to the
 * claims, or to `null` if the token is optional and absent.
 *
 * @throws {TypeError} if a requirement is unknown: a misspelled one would be a check that is left
 * out
 */
export function routeCheck(verifier, requirement = {}) {
  const { scope, role, optional = false, ...unknown } = requirement;
  for (const name of Object.keys(unknown)) throw new TypeError(`unknown requirement ${name}`);
  for (const [name, value] of Object.entries({ scope, role })) {
    if (name in requirement && (typeof value !== 'string' || value === '')) {
      throw new TypeError(`${name} must be a text`);
    }
  }
  if (optional && (scope || role)) throw new TypeError('an optional token has no requirements');
  return async (values) => {
    if (optional && values.length === 0) return null;
    const claims = await verifier.verify(bearerToken(values));
    if (scope && !claims.hasScope(scope)) throw VerifyError.insufficientScope(scope);
    if (role && !claims.hasRole(role)) throw VerifyError.missingRole(role);
    return claims;
  };
}

/** Returns the values of the `Authorization` headers of a request of Node.js' HTTP server. */
export function nodeHeaders(request) {
  // `headers` has the first value only, and hides that there are several.
  const distinct = request.headersDistinct?.authorization;
  return distinct ?? [request.headers.authorization].filter((value) => value !== undefined);
}
