/** Settings of a verifier. Times are in seconds. */
export interface VerifierSettings {
  /**
   * URL of auth-service, as in the claim `iss`. A trailing slash makes no difference; every other
   * difference does, also `localhost` for `127.0.0.1`.
   */
  issuer: string;
  /** Audience of this service, or several. A token for one of them is accepted. */
  audience: string | readonly string[];
  /** Revocation feed. Default: none, and a token outlives the logout until it expires. */
  feed?: Feed;
  /** Maximum difference between the clocks of issuer and service. Default: 10. */
  leeway?: number;
  /** URL of the JWKS. Default: the URL in the issuer's metadata (RFC 8414). */
  jwksUrl?: string;
  /** Keys, in place of those of the issuer: for tests. */
  jwks?: { keys: readonly object[] };
  /** Time between two fetches of the keys, at most half of `maxKeyAge`. Default: 300. */
  refreshInterval?: number;
  /** Minimum time between two fetches that unknown key ids cause. Default: 10. */
  minFetchInterval?: number;
  /** Time since the last successful fetch for which keys are used. Default: 86,400, one day. */
  maxKeyAge?: number;
  /** Number of verified tokens to remember, each about 1.5 kilobytes. Default: 10,000. 0: none. */
  cachedTokens?: number;
  /**
   * Whether timers run between requests. Default: `true`. `false`, for Workers, makes requests
   * fetch the keys when the interval has passed, and excludes `feed`.
   */
  background?: boolean;
  /** Where warnings go. Default: `console.warn`, and no information. */
  logger?: Logger;
  /** Sends the requests to the issuer, for example with a trace header. Default: `fetch`. */
  fetch?: typeof fetch;
  /** Clock, which a test can advance. Default: that of the system. */
  clock?: Clock;
}

/** The revocation feed, and the credentials of a client with the scope `revocations:read`. */
export interface Feed {
  /** URL of `GET /revocations` of auth-service. */
  url: string;
  clientId: string;
  clientSecret: string;
  /** How tokens are treated while the feed cannot be followed. Default: `until_expiry`. */
  outage?: OutagePolicy;
}

/**
 * Accepts tokens until they expire; accepts them for this long, then refuses them; refuses them.
 */
export type OutagePolicy = 'until_expiry' | `bounded:${number}` | 'closed';

export interface Logger {
  info(text: string): void;
  warn(text: string): void;
}

/** Verifies access tokens of one issuer. Create one for a process, and share it. */
export class Verifier {
  /**
   * Begins to fetch the keys and to follow the feed in the background.
   * @throws {TypeError} if a setting is wrong
   */
  constructor(settings: VerifierSettings);
  /** The issuer whose tokens the verifier accepts, without a trailing slash. */
  readonly issuer: string;
  /**
   * Returns the claims of a token if it can be trusted. Waits for the network only if the token has
   * an unknown key id, or while the verifier has no keys.
   * @throws {VerifyError} with the reason for the refusal
   */
  verify(token: string): Promise<AccessClaims>;
  /**
   * Returns the claims of a token that this verifier has verified before, or `null`. Never waits.
   * @throws {VerifyError} with the reason for the refusal
   */
  verifyCached(token: string): AccessClaims | null;
  /**
   * Waits until the verifier can decide on tokens, for at most 15 seconds, and not at all for a
   * wrong setting.
   * @throws {NotReady} with the reason
   */
  ready(): Promise<void>;
  /** Whether the verifier has keys, and the feed or the outage policy lets it accept tokens. */
  isReady(): boolean;
  /** Why the verifier has no keys, for a health check. */
  keysError(): FetchFailure | null;
  /** State of the feed, for metrics and health checks. `null` without a feed. */
  revocations(): FeedState | null;
  /** Sets the client secret for the next connection to the feed. */
  setFeedSecret(secret: string): void;
  /** Ends the background work, which keeps a process running. */
  close(): void;
}

export interface FeedState {
  /** `true` while the verifier follows the feed and has received all missed events. */
  isCurrent: boolean;
  /** Seconds since the last event or comment. */
  silentFor: number;
  /** Number of ended sessions in memory. */
  held: number;
  /** Number of attempts to connect after the first one. */
  reconnects: number;
  /** Why the last connection ended. `null` while the feed is followed. */
  lastError: FetchFailure | null;
}

/** Why a request to the issuer failed. `code` and `message` name no address; `details` may. */
export interface FetchFailure extends Error {
  code:
    | 'not_fetched_yet' | 'connection_refused' | 'unknown_host' | 'connect_failed' | 'timeout'
    | 'status' | 'connection_lost' | 'silent' | 'issuer_mismatch' | 'invalid_response';
  /** HTTP status, for the code `status`. */
  status?: number;
  details: string;
}

/** Claims of a verified access token (RFC 9068). Frozen. Times are in seconds since 1970. */
export class AccessClaims {
  private constructor();
  readonly iss: string;
  /** Id of the user or of the client. Usernames and addresses may change. */
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  /** Time when the user last proved who they are. A client's token has none. */
  readonly auth_time?: number;
  readonly jti: string;
  /** Session that the token belongs to. */
  readonly sid: string;
  /** Scopes, separated by spaces. */
  readonly scope: string;
  readonly roles: readonly string[];
  /** Username, for display. */
  readonly preferred_username?: string;
  readonly client_id?: string;
  readonly token_type: 'access';
  hasScope(name: string): boolean;
  hasRole(name: string): boolean;
  isFor(audience: string): boolean;
  /** Whether the token belongs to a client that acts for itself, not for a user. */
  isClientToken(): boolean;
}

export type Reason =
  | 'missing' | 'malformed_header' | 'malformed' | 'algorithm' | 'wrong_type' | 'critical'
  | 'unknown_key' | 'signature' | 'expired' | 'not_yet_valid' | 'issuer' | 'audience' | 'revoked'
  | 'insufficient_scope' | 'missing_role' | 'revocations_unavailable' | 'keys_unavailable';

/** Body of an error response (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
}

/** Error thrown when an access token is refused. */
export class VerifyError extends Error {
  private constructor();
  readonly reason: Reason;
  readonly status: 401 | 403 | 503;
  /** Error code of the response. */
  readonly code:
    | 'not_authenticated' | 'authentication_failed' | 'token_not_valid' | 'permission_denied'
    | 'unavailable';
  /** The required scope, for `insufficient_scope`. */
  readonly scope?: string;
  static insufficientScope(scope: string): VerifyError;
  static missingRole(role: string): VerifyError;
  /** The `WWW-Authenticate` header of a 401 or 403. */
  challenge(): string | null;
  problem(): Problem;
  headers(): Record<string, string>;
  response(): Response;
}

/** Why a verifier cannot decide on tokens. The text is for the operator: it may name addresses. */
export class NotReady extends Error {}

/** The current time. */
export class Clock {
  nowMs(): number;
  nowSeconds(): number;
  monotonicMs(): number;
  /** Advances this clock by milliseconds. For tests. */
  advance(ms: number): void;
}

/** What a route requires of a token. */
export interface Requirement {
  /** Required scope. */
  scope?: string;
  /** Required role. */
  role?: string;
  /** Lets requests without an `Authorization` header pass. A token that is refused is 401. */
  optional?: boolean;
}
