/** An issuer for your tests: mints tokens without auth-service and without a network. */

import { Clock } from './clock.js';
import { OutagePolicy } from './revocations/outage_policy.js';
import { Revocations, TEST_REVOCATIONS } from './revocations/state.js';
import { encode } from './token/base64url.js';
import { Verifier } from './verifier.js';

const ES256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** An issuer with one key (ES256), and the verifiers that trust it. */
export class TestIssuer {
  issuer = 'http://issuer.test';
  /** The clock of issuer and verifiers, which a test can advance. */
  clock = new Clock();
  #pair;
  #publicJwk;
  #revocations = Revocations.withoutFeed(new OutagePolicy('until_expiry'), this.clock);

  constructor(pair, publicJwk) {
    this.#pair = pair;
    this.#publicJwk = publicJwk;
  }

  /** Creates an issuer with a new key. */
  static async create() {
    const pair = await crypto.subtle.generateKey(ES256, true, ['sign', 'verify']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
    const kid = crypto.randomUUID();
    return new TestIssuer(pair, { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' });
  }

  /** Returns the public keys. */
  jwks() {
    return { keys: [{ ...this.#publicJwk }] };
  }

  /** Returns a verifier that trusts this issuer. `settings` overrides its settings. */
  verifier(settings) {
    return new Verifier({
      issuer: this.issuer,
      audience: 'api',
      jwks: this.jwks(),
      clock: this.clock,
      [TEST_REVOCATIONS]: this.#revocations,
      ...settings,
    });
  }

  /**
   * Returns a token for the audience `api` that expires in `lifetime` seconds. `claims` replaces
   * single claims, and `undefined` leaves one out.
   */
  async token({ lifetime = 300, ...claims } = {}) {
    const now = this.clock.nowSeconds();
    return this.sign({ alg: 'ES256', typ: 'at+jwt', kid: this.#publicJwk.kid }, {
      iss: this.issuer,
      sub: crypto.randomUUID(),
      aud: 'api',
      exp: now + lifetime,
      iat: now,
      jti: crypto.randomUUID(),
      sid: crypto.randomUUID(),
      token_type: 'access',
      ...claims,
    });
  }

  /** Returns a token with this header and these claims, which need not be valid. */
  async sign(header, claims) {
    const input = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`;
    const bytes = new TextEncoder().encode(input);
    const signature = await crypto.subtle.sign(ES256, this.#pair.privateKey, bytes);
    return `${input}.${encode(new Uint8Array(signature))}`;
  }

  /** Makes the verifiers refuse the tokens of a session, as after a logout. */
  endSession(sid) {
    this.#revocations.record(sid, Infinity);
  }
}
