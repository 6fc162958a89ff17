/** The vectors that the verifiers in all languages pass: see `verifiers/vectors/README.md`. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { Verifier } from '../src/index.js';
import { FixedClock } from './support/clock.js';
import { FeedServer } from './support/feed_server.js';
import { until, verdictOf, within15Seconds } from './support/wait.js';

const read = (name) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'));

function verifierOf(file, more) {
  const { now, issuer, audience, leeway } = file;
  return new Verifier({ issuer, audience, leeway, clock: new FixedClock(now), ...more });
}

test('every token of the vectors gets its verdict, twice', async () => {
  const file = read('tokens');
  const verifier = verifierOf(file, { jwks: file.keys });
  for (const { name, token, verdict, claims } of file.tokens) {
    for (const time of ['first', 'second']) {
      assert.equal(await verdictOf(verifier, token), verdict, `${name}, ${time} time`);
    }
    if (claims) {
      const verified = JSON.parse(JSON.stringify(await verifier.verify(token)));
      for (const [member, value] of Object.entries(claims)) {
        assert.deepEqual(verified[member], value, `${name}: ${member}`);
      }
    }
  }
  assert(file.tokens.length > 500);
});

test('every key set of the vectors yields the keys that are usable', async () => {
  const file = read('keys');
  for (const { name, jwks, tokens } of file.sets) {
    const verifier = verifierOf(file, { jwks });
    for (const { token, verdict } of tokens) {
      assert.equal(await verdictOf(verifier, token), verdict, name);
    }
  }
  assert(file.sets.length > 100);
});

describe('the feeds of the vectors', { concurrency: true }, () => {
  const file = read('feed');
  for (const transcript of file.transcripts) {
    test(transcript.name, () => play(file, transcript));
  }
});

async function play(file, { outage, steps }) {
  const server = await FeedServer.start();
  const { id: clientId, secret: clientSecret } = file.client;
  const clock = new FixedClock(file.now);
  const logger = { info() {}, warn() {} };
  const feed = { url: server.url, clientId, clientSecret, outage };
  const verifier = verifierOf(file, { jwks: file.keys, clock, logger, feed });
  const credentials = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  let connection;
  const state = async ({ current, tokens = {} }) => {
    const seen = { current: current === undefined ? undefined : verifier.revocations().isCurrent };
    seen.tokens = {};
    for (const name of Object.keys(tokens)) {
      seen.tokens[name] = await verdictOf(verifier, file.tokens[name]);
    }
    return seen;
  };
  const actions = {
    async accept({ last_event_id: id }) {
      connection = await server.accept();
      assert.match(connection.line, /^GET \/revocations HTTP\/1\.1$/);
      assert.equal(connection.headers.authorization, credentials);
      assert.equal(connection.headers['last-event-id'] ?? null, id);
    },
    respond: ({ status, headers }) => connection.respond(status, headers),
    send: (text) => connection.send(text),
    async expect(expected) {
      const wanted = JSON.stringify({ current: expected.current, tokens: expected.tokens ?? {} });
      await until(wanted, async () => JSON.stringify(await state(expected)) === wanted);
    },
    async still(expected) {
      const { current, tokens = {} } = expected;
      assert.deepEqual(await state(expected), { current, tokens });
    },
    advance: (seconds) => clock.advance(seconds * 1000),
    close: (side) => (side === 'server'
      ? connection.close()
      : within15Seconds('the verifier closes', connection.closed)),
  };
  try {
    for (const step of steps) {
      const [[name, value]] = Object.entries(step);
      await actions[name](value);
    }
  } finally {
    verifier.close();
    server.stop();
  }
}
