/**
 * The samples of docs/guides/verify-in-javascript.md, as they stand except for the addresses. Small
 * stand-ins take the place of Express, Fastify and Hono, which the tests cannot install.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { IssuerServer } from './support/issuer_server.js';

const GUIDE = new URL('../../../docs/guides/verify-in-javascript.md', import.meta.url);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const STAND_INS = ['express', 'fastify', 'hono'];

const SAMPLE = /<!-- test: elsewhere, .*? -->\n```javascript\n(.*?)```/gs;
const samples = [...readFileSync(GUIDE, 'utf8').matchAll(SAMPLE)].map(([, code]) => code);

let folder;
let server;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guide-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PACKAGE, join(folder, 'node_modules/auth-service-verifier'));
  for (const name of STAND_INS) {
    const stand = join(folder, 'node_modules', name);
    mkdirSync(stand);
    const file = new URL(`./support/frameworks/${name}.js`, import.meta.url);
    writeFileSync(join(stand, 'package.json'), '{"type":"module","exports":"./index.js"}');
    writeFileSync(join(stand, 'index.js'), readFileSync(file));
  }
  server = await IssuerServer.start();
});

after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** Writes the sample that contains a text to a file, and returns its path. */
function fileOf(text) {
  const [code, ...more] = samples.filter((sample) => sample.includes(text));
  assert(code && more.length === 0, `one sample has ${text}`);
  samples.splice(samples.indexOf(code), 1);
  const file = join(folder, `${text.replace(/\W/g, '')}.mjs`);
  writeFileSync(file, code.replaceAll('http://127.0.0.1:8080', server.url));
  return file;
}

/** Runs the sample that contains a text. Returns the module. */
function run(text) {
  return import(pathToFileURL(fileOf(text)));
}

/** Asserts that a service greets ada, and refuses a request without a token. */
async function assertGreets(fetchService) {
  const token = await server.token({ preferred_username: 'ada' });
  const headers = { Authorization: `Bearer ${token}` };
  const greeted = await fetchService('/hello', { headers });
  assert.deepEqual([greeted.status, await greeted.json()], [200, { hello: 'ada' }]);
  const refused = await fetchService('/hello', {});
  assert.deepEqual([refused.status, (await refused.json()).code], [401, 'not_authenticated']);
}

test('Express', async () => {
  await run("from 'express'");
  const service = (path, options) => fetch(globalThis.expressUrl + path, options);
  await assertGreets(service);
  const headers = { Authorization: `Bearer ${await server.token()}` };
  assert.equal((await service('/reports', { headers })).status, 403);
});

test('Fastify', async () => {
  await run("from 'fastify'");
  await assertGreets((path, options) => fetch(globalThis.fastifyUrl + path, options));
});

test('fetch handler', async () => {
  const { default: service } = await run('background: false');
  await assertGreets((path, options) =>
    service.fetch(new Request(`http://service.test${path}`, options)));
});

test('Hono', async () => {
  const { default: app } = await run("from 'hono'");
  await assertGreets((path, options) =>
    app.fetch(new Request(`http://service.test${path}`, options)));
});

test('feed', async () => {
  process.env.REVOCATIONS_CLIENT_SECRET = 'secret';
  const ended = await server.token({ sid: '01a20970-f552-76e1-be5b-197ec9e2780c' });
  server.instead = ({ url, headers }, response) => {
    if (url !== '/revocations') return false;
    assert.equal(headers.authorization, `Basic ${btoa('reports-api:secret')}`);
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const data = '{"sid":"01a20970-f552-76e1-be5b-197ec9e2780c","until":9999999999}';
    response.write(`id: 1-0\nevent: revoked\ndata: ${data}\n\nevent: caught-up\ndata: {}\n\n`);
    return true;
  };
  const { verifier } = await run('outage:');
  try {
    assert.equal(verifier.revocations().isCurrent, true);
    await verifier.verify(await server.token());
    await assert.rejects(verifier.verify(ended), { reason: 'revoked' });
  } finally {
    verifier.close();
  }
});

test('browser', async () => {
  const { fetch: original, BroadcastChannel: channel } = globalThis;
  const seen = [];
  // An open channel keeps a process running, and the sample never closes the one of its page.
  delete globalThis.BroadcastChannel;
  globalThis.fetch = async (url, { method = 'GET', headers }) => {
    seen.push(`${method} ${url} ${headers?.get('authorization')}`);
    return Response.json(String(url).endsWith('/token/refresh') ? { access: 'new' } : ['report']);
  };
  try {
    const { loadReports } = await run("/browser'");
    assert.deepEqual(await loadReports(), ['report']);
    assert.deepEqual(seen, [
      `POST ${server.url}/token/refresh undefined`,
      'GET http://127.0.0.1:3000/reports Bearer new',
    ]);
  } finally {
    Object.assign(globalThis, { fetch: original, BroadcastChannel: channel });
  }
});

test('tests of a service', () => {
  // Without the variable by which Node.js tells a test file that a runner has started it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--test', fileOf("/testing'")];
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /pass 1/);
});

test('every sample has run', () => assert.deepEqual(samples, []));
