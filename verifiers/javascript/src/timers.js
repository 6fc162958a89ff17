/** Timers that do not keep a process running. */

/** Calls a function later. Returns a function that cancels the call. */
export function after(ms, callback) {
  const timer = setTimeout(callback, ms);
  // Node.js and Bun have objects with this method, Workers and browsers have numbers.
  timer.unref?.();
  return () => clearTimeout(timer);
}

/** Resolves after a time, or at once when the signal aborts. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return void resolve();
    const cancel = after(ms, done);
    function done() {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
