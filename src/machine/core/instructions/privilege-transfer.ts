/**
 * Transfers between rings in 64-bit mode. Each hands over to a routine that knows the usual case; all others, and all
 * other modes, are TypeScript's (machine/cpu).
 */

import type { Definition } from '../definition';
import { c32 } from '../emitter';
import { i32 } from '../wasm';

const transfer = (name: string, emit: Definition['emit'], forms: readonly string[] = ['']): Definition => ({
  name,
  forms,
  sizes: [64],
  first: 'none',
  flow: 'branch',
  moded: true,
  longOnly: true,
  multiCommit: true,
  emit,
});

export const privilegeTransfer: readonly Definition[] = [
  transfer('int', (e) => e.transfer('deliver', e.nextRip(), i32.wrap(e.immediate()), c32(-1), c32(1), c32(0)), ['i']),
  transfer('iretq', (e) => e.transfer('iretq', undefined)),
  transfer('syscall', (e) => e.transfer('syscall', e.nextRip())),
  transfer('sysretq', (e) => e.transfer('sysretq', undefined)),
];
