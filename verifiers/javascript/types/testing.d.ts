import type { Clock, Verifier, VerifierSettings } from './index.js';

/** An issuer that mints tokens in your tests, without auth-service and without a network. */
export class TestIssuer {
  private constructor();
  static create(): Promise<TestIssuer>;
  issuer: string;
  readonly clock: Clock;
  jwks(): { keys: object[] };
  /** Returns a verifier that trusts this issuer, for the audience `api`. */
  verifier(settings?: Partial<VerifierSettings>): Verifier;
  /** Returns a token for the audience `api` that expires in `lifetime` seconds. Default: 300. */
  token(claims?: { lifetime?: number; [claim: string]: unknown }): Promise<string>;
  /** Returns a token with this header and these claims, which need not be valid. */
  sign(header: object, claims: object): Promise<string>;
  /** Makes the verifiers refuse the tokens of a session, as after a logout. */
  endSession(sid: string): void;
}
