/** Readiness: whether a verifier can decide on tokens, and why not. */

import { pause } from './timers.js';

/**
 * Maximum time that `ready` waits, and the time between two looks at the state, in milliseconds.
 */
const READY_LIMIT_MS = 15_000;
const READY_POLL_MS = 20;

/** What a status of the revocation feed means that does not pass by itself. */
const FEED_STATUS = {
  401: "the client's id or secret is wrong",
  403: 'the client lacks the scope revocations:read',
  404: 'the URL names no revocation feed',
};

/** Why a verifier cannot decide on tokens. The text is for the operator: it may name addresses. */
export class NotReady extends Error {
  name = 'NotReady';
}

/**
 * Waits until `parts.isReady()`, but not for what does not pass by itself.
 *
 * @throws {NotReady}
 */
export async function waitUntilReady(parts, { signal }) {
  const deadline = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const fault = misconfiguration(parts);
    if (fault) throw new NotReady(fault);
    if (parts.isReady()) return;
    if (signal.aborted || performance.now() >= deadline) throw new NotReady(outage(parts));
    // A program that waits here has nothing else that keeps it running.
    await pause(READY_POLL_MS, signal, { keepsRunning: true });
  }
}

/** Returns a fault of the settings, or `null`. */
function misconfiguration({ keys, revocations, feedUrl }) {
  if (keys.lastFailure?.code === 'issuer_mismatch') return keys.lastFailure.details;
  const status = revocations?.lastFailure?.status;
  const meaning = FEED_STATUS[status];
  return meaning ? `${feedUrl} answered ${status}: ${meaning}` : null;
}

/** Returns why the verifier is not ready at the moment. */
function outage({ keys, revocations, feedUrl }) {
  if (keys.lastFailure) return keys.lastFailure.details;
  const failure = revocations?.lastFailure;
  if (failure) return `cannot follow the revocations at ${feedUrl}: ${failure.details}`;
  return 'the verifier has no keys or no revocations yet';
}
