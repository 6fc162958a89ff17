/** Waits until a condition holds, for at most 15 seconds. Returns what the condition returns. */
export async function until(what, condition) {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Returns what a promise resolves to, within 15 seconds. */
export async function within15Seconds(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within 15 s: ${what}`)), 15_000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Returns `accepted`, or the reason why the verifier refuses a token. */
export async function verdictOf(verifier, token) {
  try {
    await verifier.verify(token);
    return 'accepted';
  } catch (error) {
    if (!error.reason) throw error;
    return error.reason;
  }
}
