/** Compact JWS: the three parts of a token (RFC 7515 section 3.1). */

import { VerifyError } from '../errors.js';
import { decode } from './base64url.js';
import { AccessClaims } from './claims.js';
import { parseHeader } from './header.js';
import { JsonError } from './json.js';

/** Maximum size of a token in bytes. A longer token is refused unread. */
export const MAX_TOKEN_BYTES = 8 * 1024;

/** A token whose header is parsed. Payload and signature are still encoded. */
export class Jws {
  /** Algorithm and key id. */
  header;
  #signingInput;
  #payload;
  #signature;

  /** @throws {VerifyError} */
  constructor(token) {
    const end = token.lastIndexOf('.');
    const middle = token.indexOf('.');
    if (middle === end) throw new VerifyError('malformed');
    this.#signingInput = token.slice(0, end);
    this.#payload = token.slice(middle + 1, end);
    this.#signature = token.slice(end + 1);
    this.header = parsed(parseHeader, token.slice(0, middle));
  }

  /**
   * Checks the signature. The algorithm is the key's own, and the header's must be the same
   * (RFC 8725 section 3.1).
   *
   * @throws {VerifyError}
   */
  async checkSignature(key) {
    if (key.alg !== this.header.alg) throw new VerifyError('algorithm');
    const signature = decoded(this.#signature);
    const input = new TextEncoder().encode(this.#signingInput);
    if (!(await key.verifies(input, signature))) throw new VerifyError('signature');
  }

  /** Returns the claims. Call it only after the check of the signature. */
  claims() {
    return parsed((bytes) => new AccessClaims(bytes), this.#payload);
  }
}

function decoded(part) {
  const bytes = decode(part);
  if (!bytes) throw new VerifyError('malformed');
  return bytes;
}

/** Decodes a part and parses it. Details of a fault help only attackers. */
function parsed(parse, part) {
  try {
    return parse(decoded(part));
  } catch (error) {
    throw error instanceof JsonError ? new VerifyError('malformed') : error;
  }
}
