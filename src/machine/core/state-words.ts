/** Words of the vCPU's state, as the core's functions read and write them. Offsets are those of `state` in layout.ts. */

import { VCPUS } from './layout';
import { type Expr, i32, i64, inState } from './wasm';

const zero = i32.const(0);

export const get32 = (offset: number): Expr => inState(i32.load(zero, VCPUS + offset));
export const get64 = (offset: number): Expr => inState(i64.load(zero, VCPUS + offset));
export const set32 = (offset: number, value: Expr): Expr => inState(i32.store(zero, value, VCPUS + offset));
export const set64 = (offset: number, value: Expr): Expr => inState(i64.store(zero, value, VCPUS + offset));
