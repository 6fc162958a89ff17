/** `VerifyError`: why a token is refused, and the response to the client (RFC 6750 section 3). */

/** Status, code of the problem details and text, by reason. The verifier in Rust has the same. */
const REASONS = {
  // The request has no Authorization header.
  missing: [401, 'not_authenticated', 'the request has no access token'],
  // The header is not "Bearer" and one token, or the request has several.
  malformed_header:
    [401, 'authentication_failed', 'the Authorization header must be "Bearer" and one token'],
  // Not a compact JWS, a part is not JSON, or a claim is missing, mistyped or repeated.
  malformed: [401, 'token_not_valid', 'the token is malformed'],
  // Not EdDSA, ES256 or RS256, or not the algorithm of the key.
  algorithm: [401, 'token_not_valid', "the token's algorithm is not accepted"],
  // The header `typ` or the claim `token_type` is not that of an access token.
  wrong_type: [401, 'token_not_valid', 'the token is not an access token'],
  // The header has `crit`. No extension is supported (RFC 7515 section 4.1.11).
  critical: [401, 'token_not_valid', 'the token requires an extension that is not supported'],
  unknown_key: [401, 'token_not_valid', "the token's signing key is not known"],
  signature: [401, 'token_not_valid', "the token's signature is not valid"],
  expired: [401, 'token_not_valid', 'the token has expired'],
  not_yet_valid: [401, 'token_not_valid', 'the token is not valid yet'],
  issuer: [401, 'token_not_valid', 'the token is from another issuer'],
  audience: [401, 'token_not_valid', 'the token is for another audience'],
  revoked: [401, 'token_not_valid', "the token's session has ended"],
  insufficient_scope: [403, 'permission_denied', 'the scope is required'],
  missing_role: [403, 'permission_denied', 'the role is required'],
  // The feed cannot be followed, and the outage policy refuses tokens.
  revocations_unavailable:
    [503, 'unavailable', "the token's session cannot be checked at the moment"],
  keys_unavailable: [503, 'unavailable', 'tokens cannot be verified at the moment'],
};

const TITLES = { 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' };

/** The media type of problem details (RFC 9457). */
const PROBLEM = 'application/problem+json';

/**
 * Error thrown when an access token is refused. `reason` is a key of the table above, `status` the
 * HTTP status, `code` the error code of the response. No member contains the token.
 */
export class VerifyError extends Error {
  constructor(reason, text = REASONS[reason][2]) {
    super(text);
    this.name = 'VerifyError';
    this.reason = reason;
    [this.status, this.code] = REASONS[reason];
  }

  /** Returns the error for a valid token without this scope. */
  static insufficientScope(scope) {
    const error = new VerifyError('insufficient_scope', `the scope ${scope} is required`);
    error.scope = scope;
    return error;
  }

  /** Returns the error for a valid token whose user does not have this role. */
  static missingRole(role) {
    return new VerifyError('missing_role', `the role ${role} is required`);
  }

  /** Returns the `WWW-Authenticate` header of a 401 or 403, and `null` for a 503. */
  challenge() {
    if (this.status === 503) return null;
    // A request without credentials gets no error code (RFC 6750 section 3.1).
    if (this.reason === 'missing') return 'Bearer';
    if (this.reason === 'malformed_header') return 'Bearer error="invalid_request"';
    if (this.status === 401) return 'Bearer error="invalid_token"';
    const scope = this.scope ? `, scope="${this.scope}"` : '';
    return `Bearer error="insufficient_scope"${scope}`;
  }

  /** Returns the body of the response: problem details (RFC 9457). */
  problem() {
    const detail = `${this.message[0].toUpperCase()}${this.message.slice(1)}.`;
    const { status, code } = this;
    return { type: 'about:blank', title: TITLES[status], status, detail, code };
  }

  /** Returns the headers of the response. */
  headers() {
    const challenge = this.challenge();
    const more = challenge ? { 'WWW-Authenticate': challenge } : { 'Retry-After': '1' };
    return { 'Content-Type': PROBLEM, ...more };
  }

  /** Returns the response, for servers that answer with a `Response`. */
  response() {
    return new Response(JSON.stringify(this.problem()), {
      status: this.status,
      headers: this.headers(),
    });
  }
}
