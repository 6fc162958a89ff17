/**
 * Strict JSON objects. `JSON.parse` takes the last of repeated members, and turns `1e10` and `1.0`
 * into integers. Two programs that read one token differently are an attack (RFC 8725 section 2.4),
 * so the members that the verifier uses may occur once, in one form.
 */

// Keeps a byte order mark, which JSON.parse then refuses.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const INT64 = [-(2n ** 63n), 2n ** 63n - 1n];

/** Error thrown when an object is not what the caller asked for. Not shown to clients. */
export class JsonError extends Error {}

/** Returns the text of bytes in UTF-8. */
export function utf8(bytes) {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new JsonError('not UTF-8');
  }
}

/** A JSON object. Its methods return `undefined` for a member that is absent. */
export class JsonObject {
  #values;
  #sources = new Map();

  /** Parses an object. `names` lists the members that may occur once only. Others are ignored. */
  constructor(text, names) {
    try {
      this.#values = JSON.parse(text);
    } catch {
      throw new JsonError('not JSON');
    }
    if (this.#values === null || typeof this.#values !== 'object' || Array.isArray(this.#values)) {
      throw new JsonError('not an object');
    }
    for (const [name, source] of members(text)) {
      if (!names.has(name)) continue;
      if (this.#sources.has(name)) throw new JsonError(`${name} is repeated`);
      this.#sources.set(name, source);
    }
  }

  /** Returns `true` if the member is present, with any value. */
  has(name) {
    return this.#sources.has(name);
  }

  /** Returns `true` if the member is absent or `null`. */
  isNull(name) {
    return !this.has(name) || this.#values[name] === null;
  }

  /** Returns a string, which has no half of a surrogate pair. */
  string(name) {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || !value.isWellFormed()) throw new JsonError(name);
    return value;
  }

  /** Returns a string that is written without escapes, so that it has one spelling. */
  plainString(name) {
    const value = this.string(name);
    if (value !== undefined && this.#sources.get(name).includes('\\')) throw new JsonError(name);
    return value;
  }

  /**
   * Returns an integer of 64 bits, written without fraction and exponent. A number beyond 2^53 is
   * rounded, which no comparison of times notices.
   */
  integer(name) {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const source = this.#sources.get(name);
    if (typeof value !== 'number' || !INTEGER.test(source)) throw new JsonError(name);
    if (!Number.isSafeInteger(value)) {
      const exact = BigInt(source);
      if (exact < INT64[0] || exact > INT64[1]) throw new JsonError(name);
    }
    return value;
  }

  /** Returns an array of strings. */
  strings(name) {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const isString = (each) => typeof each === 'string' && each.isWellFormed();
    if (!Array.isArray(value) || !value.every(isString)) throw new JsonError(name);
    return value;
  }

  /** Returns a string or an array of strings. */
  stringOrStrings(name) {
    return Array.isArray(this.#get(name)) ? this.strings(name) : this.string(name);
  }

  #get(name) {
    return this.has(name) ? this.#values[name] : undefined;
  }
}

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const SCALAR = /[^\s,\]}]+/y;
const GAP = /[\s:,]*/y;

/** Returns the end of what a sticky expression matches at a position. */
function endOf(expression, text, at) {
  expression.lastIndex = at;
  expression.test(text);
  return expression.lastIndex;
}

/** Yields name and source text of each member of an object. `text` is valid JSON. */
function* members(text) {
  let at = endOf(GAP, text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const nameEnd = endOf(STRING, text, at);
    const name = text.slice(at, nameEnd);
    const start = endOf(GAP, text, nameEnd);
    const end = endOfValue(text, start);
    const plain = name.includes('\\') ? JSON.parse(name) : name.slice(1, -1);
    if (!plain.isWellFormed()) throw new JsonError('half of a surrogate pair in a name');
    yield [plain, text.slice(start, end)];
    at = endOf(GAP, text, end);
  }
}

/** Returns the end of the value at a position. Counts brackets, because values may be deep. */
function endOfValue(text, start) {
  if (text[start] === '"') return endOf(STRING, text, start);
  if (text[start] !== '{' && text[start] !== '[') return endOf(SCALAR, text, start);
  let depth = 0;
  let at = start;
  do {
    const character = text[at];
    if (character === '"') {
      at = endOf(STRING, text, at);
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    at += 1;
  } while (depth > 0);
  return at;
}
