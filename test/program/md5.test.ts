/** MD5 against another implementation, at all lengths around the edges of its blocks. */

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { md5 } from '../../src/program/md5';

test('is what everybody else computes', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, n) => (n * 151 + length) & 0xff);
    expect(md5(bytes), String(length)).toBe(createHash('md5').update(bytes).digest('hex'));
  }
});
