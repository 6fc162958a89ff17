/** The part of Web Locks that the browser helper uses, for one process: Node.js 20 has none. */
export class Locks {
  #tail = Promise.resolve();
  #held = false;

  async request(_name, { ifAvailable = false }, action) {
    if (ifAvailable && this.#held) return action(null);
    const before = this.#tail;
    let release;
    this.#held = true;
    this.#tail = new Promise((resolve) => { release = resolve; });
    const own = this.#tail;
    await before;
    try {
      return await action({});
    } finally {
      if (this.#tail === own) this.#held = false;
      release();
    }
  }
}
