/** The type declarations fit programs that use the package, and forbid wrong ones. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// scripts/test sets it. Elsewhere the test is left out: the package has no dependency to bring tsc.
const tsc = process.env.TEST_TYPESCRIPT;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

test('programs in TypeScript compile', { skip: !tsc && 'TEST_TYPESCRIPT is not set' }, () => {
  const args = [tsc, '--project', path('./types')];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('every public name is declared, and every declared name exists', async () => {
  const { exports } = JSON.parse(readFileSync(path('../package.json'), 'utf8'));
  for (const { types, default: file } of Object.values(exports)) {
    const declarations = readFileSync(path(`../${types}`), 'utf8');
    const declared = declarations.matchAll(/^export (?:class|function) (\w+)/gm);
    const names = [...new Set([...declared].map(([, name]) => name))].sort();
    const module = await import(new URL(`../${file}`, import.meta.url));
    assert.deepEqual(Object.keys(module).sort(), names, types);
  }
});
