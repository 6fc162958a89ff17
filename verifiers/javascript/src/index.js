/**
 * Verifies access tokens in a resource server: signature, claims and ended sessions.
 *
 * | file | content |
 * |---|---|
 * | `verifier.js` | `Verifier`: decides whether to trust an access token |
 * | `settings.js` | the settings of a verifier, their defaults and their checks |
 * | `errors.js` | `VerifyError`: why a token is refused, and the response (RFC 6750) |
 * | `token/` | the parts of a token: encoding, JSON, header, claims |
 * | `keys/` | the issuer's public keys: given, or fetched in the background |
 * | `revocations/` | ended sessions, from the issuer's revocation feed |
 * | `cache.js` | the tokens that are verified already |
 * | `readiness.js` | whether a verifier can decide on tokens, and why not |
 * | `clock.js` | the current time, which tests can advance |
 * | `http.js`, `fetch_failure.js` | the requests to the issuer, and why one failed |
 * | `request.js` | the token and the answer of a request, for the adapters |
 * | `express.js`, `fastify.js`, `fetch.js` | the adapters |
 * | `browser.js` | access tokens in web pages. Uses nothing of the other files |
 * | `testing.js` | an issuer for your tests |
 */

export { Verifier } from './verifier.js';
export { NotReady } from './readiness.js';
export { VerifyError } from './errors.js';
export { AccessClaims } from './token/claims.js';
export { Clock } from './clock.js';
