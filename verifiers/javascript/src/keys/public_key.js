/** `PublicKey`: a key parsed from a JWK (RFC 7517). */

import { decode } from '../token/base64url.js';
import { ALGORITHMS } from './algorithms.js';

/** Error thrown when a JWK is not a usable key. */
export class JwkError extends Error {}

/** A public key, parsed once. It verifies signatures of one algorithm. */
export class PublicKey {
  #key;

  constructor(alg, key) {
    this.alg = alg;
    this.#key = key;
  }

  /**
   * Parses a JWK.
   *
   * @throws {JwkError} if the JWK is not a signature key of an accepted algorithm
   */
  static async fromJwk(jwk) {
    if (typeof jwk.kid !== 'string') throw new JwkError('the key has no kid');
    if (!isForSignatures(jwk)) throw new JwkError('the key is not for signatures');
    const [alg, format, material] = parametersOf(jwk);
    if ((jwk.alg ?? alg) !== alg) throw new JwkError(`the key of ${alg} has the alg ${jwk.alg}`);
    try {
      const imported =
        await crypto.subtle.importKey(format, material, ALGORITHMS.get(alg), false, ['verify']);
      return new PublicKey(alg, imported);
    } catch (cause) {
      throw new JwkError('the key is not a valid public key', { cause });
    }
  }

  /** Returns `true` if `signature` is this key's signature of `message`. */
  async verifies(message, signature) {
    try {
      return await crypto.subtle.verify(ALGORITHMS.get(this.alg), this.#key, signature, message);
    } catch {
      // Some engines throw for a signature of a wrong length, instead of returning false.
      return false;
    }
  }
}

function isForSignatures({ use, key_ops: operations }) {
  const canVerify = operations == null
    || (Array.isArray(operations) && operations.includes('verify'));
  return (use == null || use === 'sig') && canVerify;
}

/** Returns algorithm, format and key for `importKey`. Copies public numbers only. */
function parametersOf(jwk) {
  switch (`${jwk.kty} ${jwk.crv ?? ''}`.trim()) {
    case 'OKP Ed25519': return ['EdDSA', 'raw', ed25519(jwk)];
    case 'EC P-256': return ['ES256', 'raw', p256(jwk)];
    case 'RSA': return ['RS256', 'jwk', rsa(jwk)];
    default: throw new JwkError("the key's algorithm is not EdDSA, ES256 or RS256");
  }
}

function number(text) {
  const bytes = typeof text === 'string' ? decode(text) : null;
  if (!bytes) throw new JwkError('a number of the key is not base64url');
  return bytes;
}

/** Returns an Ed25519 key (RFC 8037 section 2). */
function ed25519({ x }) {
  const key = number(x);
  if (key.length !== 32 || isLowOrder(key)) throw new JwkError('the key is of low order');
  return key;
}

/** Prime and coefficient of P-256 (SP 800-186 section 3.2.1.3). */
const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
};

/**
 * Returns an uncompressed point of P-256 (SEC 1 section 2.3.3). Checks that the point is on the
 * curve, because Deno imports others too.
 */
function p256({ x, y }) {
  const coordinates = [number(x), number(y)];
  if (coordinates.some((coordinate) => coordinate.length !== 32)) {
    throw new JwkError('a coordinate has not 32 bytes');
  }
  const { p, b } = P256;
  const [px, py] = coordinates.map(bigEndian);
  const isOnCurve = px < p && py < p && (py * py - (px ** 3n - 3n * px + b)) % p === 0n;
  if (!isOnCurve) throw new JwkError('the point is not on the curve');
  return Uint8Array.of(4, ...coordinates[0], ...coordinates[1]);
}

function bigEndian(bytes) {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));
  return BigInt(`0x${digits.join('')}`);
}

/**
 * Returns an RSA key (RFC 7518 section 6.3.1). Web Crypto has no limits of its own, so the limits
 * are here: RFC 7518 section 3.3 requires 2048 bits, and a huge number is a denial of service.
 */
function rsa({ n, e }) {
  const [modulus, exponent] = [number(n), number(e)];
  const bits = bitLength(modulus);
  const isWeak = bits < 2048 || bits > 8192 || !isOdd(modulus) || !isOdd(exponent)
    || exponent.length > 4 || bitLength(exponent) < 2;
  const isPadded = modulus[0] === 0 || exponent[0] === 0;
  if (isWeak || isPadded) throw new JwkError('the RSA key is weak or not canonical');
  return { kty: 'RSA', n, e };
}

function isOdd(bytes) {
  return (bytes.at(-1) & 1) === 1;
}

function bitLength(bytes) {
  return bytes.length === 0 ? 0 : bytes.length * 8 - (Math.clz32(bytes[0]) - 24);
}

const P25519 = 2n ** 255n - 19n;
// The y coordinates of the points of order 8. Those of the orders 1, 2 and 4 are 1, -1 and 0.
const ORDER_8 = [
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

/**
 * Returns `true` if an Ed25519 key is one of the eight points of low order, in any encoding, or is
 * not encoded as RFC 8032 section 5.1.2 requires. Signatures for a point of low order can be made
 * without a private key, and libraries accept these keys.
 */
function isLowOrder(key) {
  // Without the highest bit, which is the sign of x: both signs are weak. The key is little-endian.
  const y = BigInt.asUintN(255, bigEndian(key.slice().reverse()));
  return y <= 1n || y >= P25519 - 1n || ORDER_8.includes(y);
}
