import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { boot } from '../guest';

const example = (name: string) => boot(readFileSync(`examples/${name}.asm`, 'utf8'));

for (const name of ['hello', 'rings', 'paging', 'timer'])
  test(`examples/${name}.asm runs to its end`, () => {
    const guest = example(name);
    const stop = guest.run(50_000_000);
    expect(stop).toMatchObject({ reason: 'guest-exit', value: 0 });
  });
