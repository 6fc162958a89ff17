/** Stand-in for the part of Fastify that the guide uses. */

import { once } from 'node:events';
import { createServer } from 'node:http';

class Reply {
  sent = false;
  #response;

  constructor(response) {
    this.#response = response;
  }

  code(status) {
    this.#response.statusCode = status;
    return this;
  }

  headers(values) {
    for (const [name, value] of Object.entries(values)) this.#response.setHeader(name, value);
    return this;
  }

  send(body) {
    this.sent = true;
    this.#response.end(body);
    return this;
  }
}

export default function Fastify() {
  const routes = new Map();
  return {
    decorateRequest() {},
    get: (path, { onRequest }, handler) => routes.set(path, { onRequest, handler }),
    async listen() {
      const server = createServer(async (raw, response) => {
        response.setHeader('Connection', 'close');
        const { onRequest, handler } = routes.get(raw.url);
        const request = { raw, auth: null };
        const reply = new Reply(response);
        await onRequest(request, reply);
        if (!reply.sent) reply.send(JSON.stringify(await handler(request, reply)));
      }).listen(0);
      await once(server, 'listening');
      server.unref();
      globalThis.fastifyUrl = `http://127.0.0.1:${server.address().port}`;
    },
  };
}
