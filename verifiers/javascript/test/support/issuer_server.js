import { createServer } from 'node:http';

import { TestIssuer } from '../../src/testing.js';

export const QUIET = { info() {}, warn() {} };

/** An issuer that publishes metadata and keys over HTTP. A test can change how it answers. */
export class IssuerServer {
  /** Issuers whose keys are published, the newest last. */
  issuers = [];
  /** Paths of the requests so far. */
  requests = [];
  /** Answers a request in place of the issuer if it returns `true`. */
  instead = () => false;
  /** URL of the issuer, also after it has stopped. */
  url;
  #server;

  static async start() {
    const server = new IssuerServer();
    server.#server = createServer((request, response) => server.#answer(request, response));
    await new Promise((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    server.url = `http://127.0.0.1:${server.#server.address().port}`;
    await server.rotate();
    return server;
  }

  get current() {
    return this.issuers.at(-1);
  }

  /** Publishes a new key, with which `token` signs from now on. The old keys stay. */
  async rotate() {
    const issuer = await TestIssuer.create();
    issuer.issuer = this.url;
    this.issuers.push(issuer);
  }

  token(claims) {
    return this.current.token(claims);
  }

  /** Returns how many requests for the keys have arrived. */
  get fetches() {
    return this.requests.filter((path) => path === '/jwks').length;
  }

  #answer(request, response) {
    this.requests.push(request.url);
    if (this.instead(request, response)) return;
    const bodies = {
      '/.well-known/oauth-authorization-server':
        { issuer: this.url, jwks_uri: `${this.url}/jwks` },
      '/jwks': { keys: this.issuers.flatMap((issuer) => issuer.jwks().keys) },
    };
    const body = bodies[request.url];
    response.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
