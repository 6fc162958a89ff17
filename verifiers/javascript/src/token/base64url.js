/** Base64url without padding (RFC 7515 section 2), in the one canonical encoding of the bytes. */

const ALPHABET = /^[A-Za-z0-9_-]*$/;
// Last characters whose unused bits are zero, by the length of the text modulo 4. A decoder that
// ignores these bits accepts several spellings of one token.
const LAST = { 2: 'AQgw', 3: 'AEIMQUYcgkosw048' };

/** Returns the bytes, or `null` if `text` is not canonical base64url. */
export function decode(text) {
  const rest = text.length % 4;
  if (rest === 1 || !ALPHABET.test(text)) return null;
  if (rest && !LAST[rest].includes(text.at(-1))) return null;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (byte) => byte.charCodeAt(0));
}

/** Returns the base64url of bytes or of a text in UTF-8. */
export function encode(bytes) {
  const octets = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
  const binary = Array.from(octets, (octet) => String.fromCharCode(octet)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
