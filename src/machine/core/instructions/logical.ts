/** Intel SDM vol. 1, "Logical Instructions". */

import type { Definition } from '../definition';
import { c64, type Size } from '../emitter';
import { type Expr, i64 } from '../wasm';

const all: readonly Size[] = [8, 16, 32, 64];
const hot: readonly Size[] = [8, 32, 64];

const binary = (name: string, operation: (a: Expr, b: Expr) => Expr): Definition => ({
  name,
  forms: ['x,r', 'r,x', 'x,i'],
  sizes: all,
  first: 'update',
  hot,
  flags: 'sets',
  emit: (e) => {
    const b = e.read(1);
    const r = e.let(operation(e.read(0), b));
    e.flagsLogic(r);
    e.write(0, r);
  },
});

const test: Definition = {
  ...binary('test', i64.and),
  forms: ['x,r', 'x,i'],
  first: 'read',
  emit: (e) => {
    const a = e.read(0);
    e.flagsLogic(e.let(i64.and(a, e.read(1))));
  },
};

const not: Definition = {
  name: 'not',
  forms: ['x'],
  sizes: all,
  first: 'update',
  emit: (e) => e.write(0, i64.xor(e.read(0), c64(-1))),
};

export const logical: readonly Definition[] = [
  binary('and', i64.and),
  binary('or', i64.or),
  binary('xor', i64.xor),
  test,
  not,
];
