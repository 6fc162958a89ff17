/** Stand-in for the part of Hono that the guide uses. */

export class Hono {
  #middlewares = [];
  #routes = new Map();

  use(_path, middleware) {
    this.#middlewares.push(middleware);
  }

  get(path, handler) {
    this.#routes.set(path, handler);
  }

  async fetch(raw) {
    const values = new Map();
    const c = {
      req: { raw },
      get: (name) => values.get(name),
      set: (name, value) => values.set(name, value),
      json: (body) => Response.json(body),
    };
    const [middleware] = this.#middlewares;
    let response;
    const next = async () => { response = await this.#routes.get(new URL(raw.url).pathname)(c); };
    return (await middleware(c, next)) ?? response;
  }
}
