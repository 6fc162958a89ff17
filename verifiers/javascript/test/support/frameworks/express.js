/** Stand-in for the part of Express that the guide uses. */

import { createServer } from 'node:http';

export default function express() {
  const routes = new Map();
  return {
    get: (path, ...handlers) => routes.set(path, handlers),
    listen() {
      const server = createServer((request, response) => {
        response.setHeader('Connection', 'close');
        response.json = (body) => response.end(JSON.stringify(body));
        const handlers = routes.get(request.url).values();
        const next = () => handlers.next().value(request, response, next);
        next();
      }).listen(0);
      server.unref();
      globalThis.expressUrl = `http://127.0.0.1:${server.address().port}`;
    },
  };
}
