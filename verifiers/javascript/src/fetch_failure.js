/**
 * `FetchFailure`: why a request to the issuer failed, or a connection to it ended. `code` and
 * `message` name no address, so that a public health check can show them. `details` is for the log.
 */
export class FetchFailure extends Error {
  constructor(code, message, details = message) {
    super(message);
    this.name = 'FetchFailure';
    this.code = code;
    this.details = details;
  }

  static notFetchedYet() {
    return new FetchFailure('not_fetched_yet', 'not fetched yet');
  }

  static status(status, url) {
    const failure =
      new FetchFailure('status', `unexpected status ${status}`, `${url} answered ${status}`);
    failure.status = status;
    return failure;
  }

  static timeout(ms) {
    return new FetchFailure('timeout', `no answer within ${ms / 1000} s`);
  }

  static silent(ms) {
    return new FetchFailure('silent', `no data for ${ms / 1000} s`);
  }

  static connectionLost(details) {
    return new FetchFailure('connection_lost', 'connection lost', details);
  }

  static issuerMismatch(details) {
    return new FetchFailure('issuer_mismatch', 'metadata of another issuer', details);
  }

  static invalidResponse(details) {
    return new FetchFailure('invalid_response', 'invalid response', details);
  }

  /**
   * Returns the failure for an error that `fetch` or the reader of a body threw. The standard hides
   * the cause; Node.js and Bun name it in a code, Deno in the text.
   */
  static from(error) {
    if (error instanceof FetchFailure) return error;
    const codes = [error, error?.cause, ...(error?.cause?.errors ?? [])].map((each) => each?.code);
    const details = [error?.message, error?.cause?.message].filter(Boolean).join(': ');
    if (/connection refused/i.test(details)) codes.push('ECONNREFUSED');
    if (/dns error/i.test(details)) codes.push('ENOTFOUND');
    if (codes.some((code) => code === 'ECONNREFUSED' || code === 'ConnectionRefused')) {
      return new FetchFailure('connection_refused', 'connection refused', details);
    }
    if (codes.some((code) => code === 'ENOTFOUND' || code === 'EAI_AGAIN')) {
      return new FetchFailure('unknown_host', 'unknown host', details);
    }
    if (codes.some((code) => /CONNECT|EHOST|ENET|CERT|TLS|SSL/.test(code))) {
      return new FetchFailure('connect_failed', 'connection failed', details);
    }
    return FetchFailure.connectionLost(details);
  }
}
