/**
 * A bounded cache in two generations. When the young one is full it becomes the old one, and what
 * was not used meanwhile is forgotten. So a hit is a look-up in a `Map`, and no entry is moved more
 * than once in each generation.
 */
export class Cache {
  #young = new Map();
  #old = new Map();
  #half;

  /** Creates a cache of at most `count` entries. 0 turns the cache off. */
  constructor(count) {
    this.#half = Math.floor(count / 2);
  }

  get size() {
    return this.#young.size + this.#old.size;
  }

  get(key) {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.set(key, old);
    return old;
  }

  set(key, value) {
    if (this.#half === 0) return;
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
