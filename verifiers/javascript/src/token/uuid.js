const HYPHENATED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SIMPLE = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/**
 * Returns a UUID in the form of RFC 9562 section 4, in lower case, or `null` if `text` is no UUID.
 * A session has one form, so that a look-up finds it however the issuer writes it.
 */
export function parseUuid(text) {
  if (HYPHENATED.test(text)) return text;
  const lower = text.toLowerCase();
  const bare = /^\{(.*)\}$/.exec(lower)?.[1] ?? /^urn:uuid:(.*)$/.exec(lower)?.[1] ?? lower;
  if (HYPHENATED.test(bare)) return bare;
  return SIMPLE.exec(lower)?.slice(1).join('-') ?? null;
}
