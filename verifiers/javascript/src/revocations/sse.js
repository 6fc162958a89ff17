/** Parser of the feed's server-sent events (HTML Standard section 9.2), from chunks of bytes. */

import { JsonError, JsonObject } from '../token/json.js';
import { parseUuid } from '../token/uuid.js';
import { FetchFailure } from '../fetch_failure.js';

/** Maximum size of an event and of a line, in characters. An event of the feed has about 150. */
export const MAX_EVENT_SIZE = 64 * 1024;

const MEMBERS = new Set(['sid', 'until']);

/**
 * Parses events from chunks of bytes. Lines end with LF or CRLF, as auth-service and proxies send
 * them, not with CR alone.
 *
 * An event is `{ name: 'revoked', sid, until, id }` or `{ name: 'caught-up' }`. The parser skips
 * comments and events with other names.
 */
export class FeedParser {
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #text = '';
  #event = emptyEvent();

  /**
   * Yields the events that a chunk completes.
   *
   * @throws {FetchFailure} if an event cannot be parsed: a skipped event would be a session whose
   * tokens are still accepted
   */
  * push(chunk) {
    const text = this.#text + this.#decoder.decode(chunk, { stream: true });
    let at = 0;
    for (let end; (end = text.indexOf('\n', at)) >= 0; at = end + 1) {
      const line = text.slice(at, text[end - 1] === '\r' && end > at ? end - 1 : end);
      const event = this.#addLine(line);
      if (event) yield event;
    }
    this.#text = text.slice(at);
    if (this.#text.length > MAX_EVENT_SIZE) throw tooLarge();
  }

  /** Adds a line (section 9.2.6). Returns the event if the line completes one. */
  #addLine(line) {
    const event = this.#event;
    if (line === '') {
      this.#event = emptyEvent();
      return finish(event);
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'id') event.id = value;
    if (field === 'event') event.name = value;
    if (field === 'data') event.data += `${value}\n`;
    if ((event.id?.length ?? 0) + event.name.length + event.data.length > MAX_EVENT_SIZE) {
      throw tooLarge();
    }
    return null;
  }
}

function emptyEvent() {
  return { id: null, name: '', data: '' };
}

function finish({ id, name, data }) {
  if (name === 'caught-up') return { name };
  if (name !== 'revoked') return null;
  try {
    const members = new JsonObject(data, MEMBERS);
    const sid = parseUuid(members.string('sid') ?? '');
    const until = members.integer('until');
    if (sid === null || until === undefined) throw new JsonError('a member is missing');
    return { name, sid, until, id };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw FetchFailure.invalidResponse('an event with the name "revoked" cannot be parsed');
  }
}

function tooLarge() {
  return FetchFailure.invalidResponse(`an event is larger than ${MAX_EVENT_SIZE} bytes`);
}
