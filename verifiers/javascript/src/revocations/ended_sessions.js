/** Entries that one call of `removeExpired` looks at: about a millisecond of work. */
const BATCH = 10_000;

/** Ended sessions whose tokens may not have expired yet. */
export class EndedSessions {
  /** Expiry of the last token of a session, in seconds since the Unix epoch, by session. */
  #until = new Map();
  #cleanup = this.#until.entries();

  has(sid) {
    return this.#until.has(sid);
  }

  record(sid, until) {
    this.#until.set(sid, until);
  }

  get size() {
    return this.#until.size;
  }

  /**
   * Removes sessions whose tokens have all expired at `now`. Continues where the last call stopped,
   * so that a million sessions do not block the requests of a process. An iterator of a `Map` stays
   * valid while entries come and go.
   */
  removeExpired(now) {
    for (let looked = 0; looked < BATCH; looked += 1) {
      const { done, value } = this.#cleanup.next();
      if (done) {
        this.#cleanup = this.#until.entries();
        return;
      }
      if (value[1] <= now) this.#until.delete(value[0]);
    }
  }
}
