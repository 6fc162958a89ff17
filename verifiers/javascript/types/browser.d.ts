export interface TokenSettings {
  /** URL of auth-service. */
  issuer: string;
  /**
   * Origins of the services that get the access token. Default: those of the page and the issuer.
   */
  origins?: readonly string[];
  /**
   * Gets a new access token. Default: `POST {issuer}/token/refresh` with the session cookie.
   * Throws `SignedOut` if the session has ended.
   */
  refresh?: () => Promise<string>;
  /** Called when another tab signs in or out. Default: loads the page anew. */
  onSessionChange?: () => void;
}

/** No user is signed in, or the session has ended. */
export class SignedOut extends Error {}

/** The access token of this page, shared by the tabs of its origin, in memory only. */
export class AccessToken {
  constructor(settings: TokenSettings);
  /** Calls a service like `fetch`, with the access token. Retries once after a 401. */
  fetch(url: string | URL, options?: RequestInit): Promise<Response>;
  /**
   * Returns an access token other than `refused`, which a service has refused.
   * @throws {SignedOut}
   */
  get(refused?: string): Promise<string>;
  /**
   * Runs a sign-in or sign-out while no tab refreshes. `change` returns the new access token or
   * `null`. The other tabs call `onSessionChange`.
   */
  changeSession(change: () => Promise<string | null>): Promise<void>;
  /** Closes the channel to the other tabs. */
  close(): void;
}
