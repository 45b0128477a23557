/**
 * VMREAD and VMWRITE between registers are the core's; while somebody listens to accesses they are TypeScript's. Both do
 * the same, down to who wrote a field when, on any processor of the machine.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventKind } from '../../../src/machine/core/event';
import { state as layout } from '../../../src/machine/core/layout';
import { vmcsFields } from '../../../src/x86/vmx/fields';
import { assemble, Guest } from '../../guest';
import { hypervisor } from './hypervisor';

const encodings = Object.values(vmcsFields).map(({ encoding }) => BigInt(encoding));
const encoding = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...encodings) },
  { weight: 2, arbitrary: fc.constantFrom(...encodings.map((one) => one | 1n)) },
  { weight: 1, arbitrary: fc.constantFrom(0x3ffen, 0x8000n, 0x1_0000_681en, -1n) },
);
const value = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** Each refusal leaves its flags in R15. */
const program = (accesses: readonly (readonly [bigint, bigint])[]): string =>
  hypervisor({
    guest: 'hlt',
    launch: `xor r15d, r15d\n${accesses
      .map(
        ([field, word]) => `        mov rdx, ${field}
        mov rax, ${word}
        vmwrite rdx, rax
        pushfq
        add r15, [rsp]
        vmread rcx, rdx
        pushfq
        add r15, [rsp]
        add rsp, 16
        rol r15, 3
        add r15, rcx
`,
      )
      .join('')}        jmp finish`,
  });

const run = (text: string, processor: 0 | 1, listening: readonly EventKind[]): Guest => {
  const guest = new Guest(assemble(text), { cpus: processor + 1 }, listening);
  const [first, second] = guest.machine.cpus;
  if (processor === 1 && first && second) {
    // The second processor starts as the first would; that one waits for a start-up IPI.
    const { u8 } = second.state.memory;
    u8.copyWithin(second.state.base, first.state.base, first.state.base + layout.transient);
    second.resume();
    first.state.setU32(layout.activity, 3);
  }
  guest.run(40_000);
  return guest;
};
const accesses = (guest: Guest): number => guest.machine.events.total('vmcs');

describe.each([0, 1] as const)('on processor %i', (processor) => {
  test('the core reads and writes fields as TypeScript does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(encoding, value), { minLength: 5, maxLength: 25 }), (list) => {
        const text = program(list);
        const fast = run(text, processor, []);
        const slow = run(text, processor, ['vmcs']);
        expect(slow.machine.cpus[processor]?.vmx?.current).toBeDefined();
        expect(slow.events.filter(({ vcpu }) => vcpu === processor).length).toBe(accesses(slow));
        expect(accesses(fast)).toBe(accesses(slow));
        expect(fast.machine.cpus[processor]?.state.gpr(15)).toBe(slow.machine.cpus[processor]?.state.gpr(15));
        expect(fast.machine.stateHash()).toBe(slow.machine.stateHash());
      }),
      { numRuns: 12 },
    );
  });
});
