/** Requests for the issuer's metadata (RFC 8414) and JWKS (RFC 7517). */

import { FetchFailure } from './fetch_failure.js';
import { after } from './timers.js';
import { withoutTrailingSlash } from './token/claims.js';

/** Maximum time of one request. */
const FETCH_TIMEOUT_MS = 5_000;
/** Maximum size of a response in bytes. Metadata and keys are a few kilobytes. */
const MAX_BYTES = 256 * 1024;

/**
 * Returns the URLs of an issuer's metadata, in the order in which the verifier tries them: the path
 * of OAuth 2.0, which stands before the issuer's own path (RFC 8414 section 3.1), and that of
 * OpenID Connect, which stands after it (Discovery 1.0 section 4).
 */
export function metadataUrls(issuer) {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/+$/, '');
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

/** Returns the URL of the JWKS from the metadata of an issuer, which has no trailing slash. */
export async function findJwks(issuer, options) {
  const [oauth, openid] = metadataUrls(issuer);
  const answer = await get(oauth, options).catch((failure) => {
    if (failure.code !== 'status') throw failure;
    return get(openid, options);
  });
  const metadata = parseJson(answer);
  if (typeof metadata?.issuer !== 'string' || typeof metadata.jwks_uri !== 'string') {
    throw FetchFailure.invalidResponse("the issuer's metadata is not valid");
  }
  // Otherwise one issuer could publish keys for another (RFC 8414 section 3.3).
  if (withoutTrailingSlash(metadata.issuer) !== issuer) {
    throw FetchFailure.issuerMismatch(
      `the metadata belongs to another issuer, ${metadata.issuer}: `
      + 'build the verifier with this URL',
    );
  }
  return metadata.jwks_uri;
}

/** Returns the JSON of an answer. */
export function parseJson({ body, url }) {
  try {
    return JSON.parse(body);
  } catch {
    throw FetchFailure.invalidResponse(`the answer of ${url} is not JSON`);
  }
}

/**
 * Returns body and ETag of the answer at `url`, or `null` if the body with this `etag` is current.
 * Follows no redirect: another server must not answer for the issuer.
 *
 * @throws {FetchFailure}
 */
export async function get(url, { fetch, signal, etag }) {
  const controller = new AbortController();
  const abort = (reason) => controller.abort(reason);
  const onClose = () => abort(signal.reason);
  signal.addEventListener('abort', onClose);
  const cancel = after(FETCH_TIMEOUT_MS, () => abort(FetchFailure.timeout(FETCH_TIMEOUT_MS)));
  try {
    const response = await fetch(url, {
      headers: { Accept: 'application/json', ...(etag && { 'If-None-Match': etag }) },
      redirect: 'manual',
      signal: controller.signal,
    });
    if (response.status !== 200) await response.body?.cancel();
    if (response.status === 304 && etag) return null;
    if (response.status !== 200) throw FetchFailure.status(response.status, url);
    return { url, body: await readBody(response, url), etag: response.headers.get('etag') };
  } catch (error) {
    // An aborted request throws the reason, or in some engines an error of their own.
    throw FetchFailure.from(controller.signal.aborted ? controller.signal.reason : error);
  } finally {
    cancel();
    signal.removeEventListener('abort', onClose);
    // Ends a response whose body was not read to its end.
    abort();
  }
}

async function readBody(response, url) {
  if (!response.body) return '';
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > MAX_BYTES) {
      throw FetchFailure.invalidResponse(`the answer of ${url} is larger than ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
