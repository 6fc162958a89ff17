/** Timers of the background, which do not keep a process running. */

/** Longest time of a timer in milliseconds, 24 days. A longer one would fire at once. */
const MAX_MS = 2 ** 31 - 1;

/**
 * Calls a function later. Returns a function that cancels the call. `keepsRunning`: the process
 * does not end before the call.
 */
export function after(ms, callback, { keepsRunning = false } = {}) {
  const timer = setTimeout(callback, Math.min(ms, MAX_MS));
  // Node.js and Bun have objects with this method, Workers and browsers have numbers.
  if (!keepsRunning) timer.unref?.();
  return () => clearTimeout(timer);
}

/** Resolves after a time, or at once when the signal aborts. */
export function pause(ms, signal, options) {
  return new Promise((resolve) => {
    if (signal.aborted) return void resolve();
    const cancel = after(ms, done, options);
    function done() {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
