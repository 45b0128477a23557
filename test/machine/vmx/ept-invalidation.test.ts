/** Hypervisors that change EPT under a running guest: with the right invalidation, with the wrong one, and with none. */

import { describe, expect, test } from 'vitest';
import type { MachineOptions } from '../../../src/machine/pc';
import { boot } from '../../guest';
import { behindEpt, POINTER, PT, page, put, secondary, tables } from './ept-guest';
import { hypervisor, type Spec } from './hypervisor';

/** The guest reads, exits, and reads again; meanwhile the page is another one. */
const GUEST = `mov rax, [0x400000]
        cpuid
        mov rax, [0x400000]
        cpuid
`;
const DATA = put(0x40_0000, 0x11) + put(0x50_0000, 0x22);
const CHANGE = put(PT, page(0x50_0000));
const DESCRIPTOR = 0x20_7000;
const invalidate = (name: 'invept' | 'invvpid', type: number, low: number, high = 0): string =>
  `${put(DESCRIPTOR, low)}${put(DESCRIPTOR + 8, high)}        mov eax, ${type}\n        ${name} rax, [${DESCRIPTOR}]\n`;

const VPID = 9;
const spec = (by: string, vpid: boolean): Spec => ({
  guest: GUEST,
  secondary: secondary.ept | (vpid ? secondary.vpid : 0),
  fields: { EPT_POINTER: POINTER, ...(vpid ? { VIRTUAL_PROCESSOR_ID: VPID } : {}) },
  setup: tables + DATA,
  onExit: CHANGE + by,
});

const readings = (by: string, vpid: boolean, options: Partial<MachineOptions> = {}): number[] => {
  const { exits } = behindEpt(GUEST, DATA, { ...spec(by, vpid), setup: '' }, options);
  return exits.slice(0, 2).map(({ RAX }) => Number(RAX));
};

describe('a page that EPT leads elsewhere', () => {
  test.each([
    ['INVEPT of this EPT', invalidate('invept', 1, POINTER), 0x22],
    ['INVEPT of all', invalidate('invept', 2, 0), 0x22],
    ['nothing', '', 0x11],
    ['INVVPID alone', invalidate('invvpid', 1, VPID), 0x11],
    ['INVVPID of all', invalidate('invvpid', 2, 0), 0x11],
    ['INVVPID of the address', invalidate('invvpid', 0, VPID, 0x40_0000), 0x11],
    ['INVEPT of another EPT', invalidate('invept', 1, POINTER + 0x1000), 0x11],
  ])('after %s', (_, by, then) => {
    expect(readings(by, true)).toEqual([0x11, then]);
    // Without a VPID the exit drops combined mappings; what EPT made of the page stays.
    if (!by.includes('invvpid')) expect(readings(by, false)).toEqual([0x11, then]);
    expect(readings(by, true, { tlb: 'none' })).toEqual([0x11, 0x22]);
  });
});

test('the stale use is told, with both pages', () => {
  const guest = boot(hypervisor(spec('', true)), {}, ['stale']);
  guest.run(400_000);
  expect(guest.events).toMatchObject([{ linear: 0x40_0000n, cached: 0x40_0000n, fresh: 0x50_0000n }]);
  const right = boot(hypervisor(spec(invalidate('invept', 1, POINTER), true)), {}, ['stale']);
  right.run(400_000);
  expect(right.events).toEqual([]);
});

/** A guest with work behind EPT: it writes and reads pages in turn, and exits now and then. */
const busy = (vpid: boolean): Spec => ({
  ...spec(invalidate('invept', 1, POINTER), vpid),
  guest: `mov ecx, 200
.again: mov rbx, 0x400000
.page:  add [rbx], rcx
        mov rax, [rbx]
        add rbx, 0x1008
        cmp rbx, 0x440000
        jb .page
        test cl, 31
        jnz .next
        mov r15, rcx
        cpuid
        mov rcx, r15
.next:  dec ecx
        jnz .again
`,
});

describe.each([
  ['with a VPID', true],
  ['without', false],
])('%s', (_, vpid) => {
  test('a snapshot from within the guest goes on as the machine did', () => {
    const guest = boot(hypervisor(busy(vpid)), {}, []);
    const { machine } = guest;
    machine.runTo(20_000);
    expect(machine.cpus[0]?.cpu.vmx?.nonRoot).toBe(true);
    expect([...(machine.cpus[0]?.processor.paging.tlb.guestPhysical.entries() ?? [])].length).toBeGreaterThan(20);
    const snapshot = machine.snapshot();
    const hash = machine.stateHash();
    const end = (): string => {
      machine.runTo(45_000);
      return machine.stateHash();
    };
    const first = end();
    machine.restore(snapshot);
    expect(machine.stateHash()).toBe(hash);
    expect(end()).toBe(first);
    expect(first).not.toBe(hash);
  });

  test('slices, single steps and dropped derived tables give the same state', () => {
    const [plain, other] = [boot(hypervisor(busy(vpid)), {}, []), boot(hypervisor(busy(vpid)), {}, [])];
    for (let step = 15_000; step <= 30_000; step += 1499) {
      plain.machine.runTo(step);
      for (let at = step - 40; at <= step; at++) {
        other.machine.runTo(at);
        other.machine.cpus[0]?.engine.translationsDropped();
      }
      expect(other.machine.stateHash()).toBe(plain.machine.stateHash());
    }
    expect(plain.machine.cpus[0]?.cpu.vmx?.nonRoot).toBe(true);
  });
});
