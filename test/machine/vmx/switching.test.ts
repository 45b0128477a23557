/**
 * What is derived from translations outlives exits and entries. Random hypervisors and guests share page tables, change them
 * with and without the invalidation, and touch the page on both sides: whole runs, single steps, and runs in which everything
 * derived is dropped again and again end in the same state.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boot, type Guest } from '../../guest';
import { POINTER, secondary, tables } from './ept-guest';
import { hypervisor } from './hypervisor';

const PAGE = 0x60_0000;
/** Its entry in the page directory of the address space in force leads to one of two places. */
const REMAP = `mov r8, cr3
        mov r8, [r8]
        and r8, -4096
        mov r8, [r8]
        and r8, -4096
        xor qword [r8 + 24], 0xe00000
`;
const TOUCH = `add rbp, [${PAGE} + 16]
        add rbp, 3
        mov [${PAGE} + 16], rbp
`;
const RELOAD = 'mov r8, cr3\n        mov cr3, r8\n';
const FLIP = `mov r8, cr0
        xor r8, 0x10000
        mov cr0, r8
`;
const actions = [TOUCH, TOUCH, REMAP, `invlpg [${PAGE}]\n`, RELOAD, FLIP];
const any = fc.array(fc.constantFrom(...actions), { maxLength: 4 });
const inGuest = fc.array(fc.constantFrom(...actions, 'cpuid\n', 'vmcall\n'), { minLength: 3, maxLength: 10 });

const spaces = {
  'without a VPID': { secondary: 0, fields: {}, setup: '' },
  'with a VPID': { secondary: secondary.vpid, fields: { VIRTUAL_PROCESSOR_ID: 5 }, setup: '' },
  'behind EPT': { secondary: secondary.ept, fields: { EPT_POINTER: POINTER }, setup: tables },
  'behind EPT with a VPID': {
    secondary: secondary.ept | secondary.vpid,
    fields: { EPT_POINTER: POINTER, VIRTUAL_PROCESSOR_ID: 5 },
    setup: tables,
  },
} as const;

const STEPS = 9000;
const engine = ({ machine }: Guest) => machine.cpus[0]!.engine;

test.each(Object.entries(spaces))('%s', (_, space) => {
  let exits = 0;
  fc.assert(
    fc.property(
      any,
      inGuest,
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 8, maxLength: 14 }),
      (host, guest, slices) => {
        const text = hypervisor({
          ...space,
          quiet: true,
          exits: 100_000,
          guest: `.loop: ${guest.join('        ')}        cpuid\n        jmp .loop`,
          onExit: host.join('        '),
        });
        const [whole, dropped, stepped] = [boot(text), boot(text), boot(text)];
        whole.machine.runTo(STEPS);
        while (stepped.machine.counters.step < STEPS) stepped.machine.singleStep();
        let at = 0;
        for (const slice of [...slices, STEPS]) {
          at = Math.min(STEPS, at + slice);
          dropped.machine.runTo(at);
          engine(dropped).translationsDropped();
        }
        exits += whole.machine.events.total('vmexit');
        for (const other of [dropped, stepped]) {
          expect(other.machine.events.total('vmexit')).toBe(whole.machine.events.total('vmexit'));
          expect(other.machine.stateHash()).toBe(whole.machine.stateHash());
        }
      },
    ),
    { numRuns: 6 },
  );
  expect(exits).toBeGreaterThan(100);
});

test('a translation of the host that the guest displaces is looked up again', () => {
  // Five pages of 2 MiB in one set of the TLB, which has four ways: the third of the guest takes the place of the host's first.
  // What is derived from them, by 4 KiB, has a place for each.
  const [other, ...guests] = [1, 2, 3, 4].map((n) => `mov rax, [${PAGE + n * (16 * 0x20_0000 + 0x1000)}]\n`);
  const text = hypervisor({
    ...spaces['with a VPID'],
    quiet: true,
    exits: 100_000,
    setup: `mov qword [0x800000 + 16], 1\n        mov qword [${PAGE} + 16], 2`,
    guest: `cpuid\n.loop:  ${guests.join('        ')}        cpuid\n        jmp .loop`,
    onExit: `${REMAP}${TOUCH}${other}`,
  });
  const memoryBytes = 256 * 1024 * 1024;
  const [whole, dropped] = [boot(text, { memoryBytes }), boot(text, { memoryBytes })];
  whole.machine.runTo(STEPS);
  for (let at = 0; at < STEPS; ) {
    at = Math.min(STEPS, at + 37);
    dropped.machine.runTo(at);
    engine(dropped).translationsDropped();
  }
  expect(whole.machine.events.total('vmexit')).toBeGreaterThan(50);
  expect(dropped.machine.stateHash()).toBe(whole.machine.stateHash());
});
