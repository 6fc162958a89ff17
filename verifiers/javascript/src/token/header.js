/** The header of an access token (RFC 9068 section 2.1). */

import { VerifyError } from '../errors.js';
import { ALGORITHMS } from '../keys/algorithms.js';
import { JsonObject, utf8 } from './json.js';

// The verifier ignores `jku`, `jwk`, `x5u` and `x5c`, because keys come from the issuer only.
const PARAMETERS = new Set(['alg', 'typ', 'kid', 'crit']);
// `application/` may be left out (RFC 7515 section 4.1.9).
const ACCESS_TOKEN = /^(?:application\/)?at\+jwt$/i;

/**
 * Returns algorithm and key id of a token.
 *
 * @throws {VerifyError}
 */
export function parseHeader(bytes) {
  const header = new JsonObject(utf8(bytes), PARAMETERS);
  const optional = (name) => (header.isNull(name) ? null : header.plainString(name));
  const alg = header.plainString('alg');
  const typ = optional('typ');
  const kid = optional('kid');
  if (alg === undefined) throw new VerifyError('malformed');
  if (!ALGORITHMS.has(alg)) throw new VerifyError('algorithm');
  if (header.has('crit')) throw new VerifyError('critical');
  if (typ === null || !ACCESS_TOKEN.test(typ)) throw new VerifyError('wrong_type');
  if (kid === null) throw new VerifyError('unknown_key');
  return { alg, kid };
}
