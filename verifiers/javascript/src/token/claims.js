/** Claims of an access token (RFC 9068 section 2.2). */

import { VerifyError } from '../errors.js';
import { JsonError, JsonObject, utf8 } from './json.js';
import { parseUuid } from './uuid.js';

const NAMES = new Set([
  'iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'auth_time', 'jti', 'sid', 'scope', 'roles',
  'preferred_username', 'client_id', 'token_type',
]);

/**
 * Claims of a verified access token, frozen, because requests share them. Times are in seconds
 * since the Unix epoch.
 */
export class AccessClaims {
  #scopes;

  /** Reads the claims of a payload. Throws `JsonError` if one is missing, mistyped or repeated. */
  constructor(bytes) {
    const payload = new JsonObject(utf8(bytes), NAMES);
    const required = (value, name) => {
      if (value === undefined || value === null) throw new JsonError(name);
      return value;
    };
    const uuid = (name) => required(parseUuid(required(payload.string(name), name)), name);
    const optional = (name, read) => {
      if (!payload.isNull(name)) this[name] = read(name);
    };
    this.iss = required(payload.string('iss'), 'iss');
    this.sub = required(payload.string('sub'), 'sub');
    this.aud = required(payload.stringOrStrings('aud'), 'aud');
    this.exp = required(payload.integer('exp'), 'exp');
    this.iat = required(payload.integer('iat'), 'iat');
    optional('nbf', (name) => payload.integer(name));
    optional('auth_time', (name) => payload.integer(name));
    this.jti = uuid('jti');
    this.sid = uuid('sid');
    this.scope = payload.string('scope') ?? '';
    this.roles = payload.strings('roles') ?? [];
    optional('preferred_username', (name) => payload.string(name));
    optional('client_id', (name) => payload.string(name));
    this.token_type = required(payload.string('token_type'), 'token_type');
    if (!['access', 'refresh'].includes(this.token_type)) throw new JsonError('token_type');
    this.#scopes = new Set(this.scope.split(/[ \t\n\f\r]+/).filter(Boolean));
    Object.freeze(this.roles);
    Object.freeze(this.aud);
    Object.freeze(this);
  }

  /** Returns `true` if the scope is granted. */
  hasScope(name) {
    return this.#scopes.has(name);
  }

  /** Returns `true` if the user has the role. */
  hasRole(name) {
    return this.roles.includes(name);
  }

  /** Returns `true` if the token is for the audience. */
  isFor(audience) {
    return typeof this.aud === 'string' ? this.aud === audience : this.aud.includes(audience);
  }

  /** Returns `true` if the token belongs to a client that acts for itself, not for a user. */
  isClientToken() {
    return this.client_id === this.sub;
  }
}

/**
 * Checks the claims whose result never changes: token type, issuer and audience (RFC 9068
 * section 4).
 *
 * @throws {VerifyError}
 */
export function checkFixed(claims, { issuer, audiences }) {
  if (claims.token_type !== 'access') throw new VerifyError('wrong_type');
  if (withoutTrailingSlash(claims.iss) !== issuer) throw new VerifyError('issuer');
  if (!audiences.some((audience) => claims.isFor(audience))) throw new VerifyError('audience');
}

/**
 * Checks the times at `now`, in seconds since the Unix epoch (RFC 7519 section 4.1).
 *
 * @throws {VerifyError}
 */
export function checkTimes({ exp, iat, nbf = iat }, now, leeway) {
  if (exp <= now - leeway) throw new VerifyError('expired');
  if (Math.max(iat, nbf) > now + leeway) throw new VerifyError('not_yet_valid');
}

/**
 * Returns an issuer's URL without a trailing slash. Issuers and callers write it or not, and both
 * forms name one server. The verifier accepts no other difference (RFC 7519 section 4.1.1).
 */
export function withoutTrailingSlash(issuer) {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer;
}
