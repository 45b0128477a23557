/** The same guests behind EPT on Bochs of the distribution, where it is installed: reason, qualification and addresses. */

import { describe, expect, test } from 'vitest';
import { hasBochs } from '../../bochs';
import { ACCESSED_DIRTY, POINTER, PT, page, put, secondary, tables } from './ept-guest';
import type { PrintedExit, Spec } from './hypervisor';
import { hypervisorOnBochs } from './on-bochs';
import { runHypervisor } from './run-hypervisor';

/** Mends the entry of the page that was refused, and invalidates. */
const MEND = `cmp ebx, 48
        jb .mended
        mov edx, 0x2400
        vmread rax, rdx
        and rax, -4096
        mov rcx, rax
        sub rcx, 0x400000
        shr rcx, 9
        or rax, 0x37
        mov [rcx + ${PT}], rax
        mov qword [0x207000], ${POINTER}
        mov qword [0x207008], 0
        mov eax, 1
        invept rax, [0x207000]
.mended:
`;
const base = { secondary: secondary.ept, onExit: MEND, exits: 20 } as const;
const entry = (n: number, value: number | bigint): string => put(PT + n * 8, value);
const at = (n: number): number => 0x40_0000 + n * 4096;

const trials: Readonly<Record<string, Spec>> = {
  'each kind of access': {
    ...base,
    fields: { EPT_POINTER: POINTER },
    setup: [
      tables,
      put(at(3) + 8, 0xc3),
      ...[entry(0, 0), entry(1, 0), entry(2, page(at(2), 5)), entry(3, page(at(3), 3)), entry(4, page(at(4), 4))],
      ...[entry(5, page(at(5), 5)), entry(7, 0)],
    ].join(''),
    guest: `mov rax, [0x400008]
        mov [0x401008], rax
        mov [0x402008], rax
        call 0x403008
        mov rax, [0x404008]
        mov rax, [0x406ffc]
`,
  },
  "the guest's own tables": {
    ...base,
    fields: { EPT_POINTER: POINTER, GUEST_CR3: at(1) },
    setup: tables + put(at(1), at(2) | 0x27) + put(at(2), 0xe7) + entry(1, 0) + entry(2, 0),
    guest: 'nop',
  },
  'the same with accessed and dirty flags': {
    ...base,
    fields: { EPT_POINTER: POINTER | ACCESSED_DIRTY, GUEST_CR3: at(1) },
    setup: tables + put(at(1), at(2) | 0x27) + put(at(2), 0xe7) + entry(1, page(at(1), 5)) + entry(2, 0),
    guest: 'nop',
  },
  misconfigurations: {
    ...base,
    fields: { EPT_POINTER: POINTER },
    setup: [
      tables,
      ...[entry(0, page(at(0), 2)), entry(1, page(at(1), 6)), entry(2, at(2) | 7 | 0x10), entry(3, at(3) | 0x3f)],
      entry(4, BigInt(page(at(4))) | (1n << 51n)),
    ].join(''),
    guest: [0, 1, 2, 3, 4].map((n) => `mov rax, [${at(n) + 8}]\n`).join(''),
  },
  'a page fault before EPT, and one without': {
    ...base,
    fields: { EPT_POINTER: POINTER, GUEST_CR3: at(1), GUEST_CR0: 0x8001_0031, EXCEPTION_BITMAP: 1 << 14 },
    setup: tables + put(at(1), at(2) | 0x27) + put(at(2), 0xe5) + entry(0, 0),
    guest: 'mov rax, [0x400008]\n        mov [0x400008], rax\n',
    exits: 3,
  },
  'the delivery of an event': {
    ...base,
    fields: { EPT_POINTER: POINTER },
    setup: tables + entry(0, page(at(0), 5)),
    guest: 'mov rsp, 0x400800\n        ud2\n',
    exits: 1,
  },
};

const compared = ['VM_EXIT_REASON', 'EXIT_QUALIFICATION', 'GUEST_RIP', 'IDT_VECTORING_INFO_FIELD'] as const;
/**
 * With accessed and dirty flags an access to the guest's tables sets bits 0 and 1 (Intel SDM vol. 3, "Exit Qualification for
 * EPT Violations"); Bochs 2.7 sets bit 1 alone.
 */
const asBochs = ({ VM_EXIT_REASON: reason, EXIT_QUALIFICATION: bits }: PrintedExit): bigint =>
  reason === 48n && (bits & 0x103n) === 3n ? bits & ~1n : bits;
const told = (exits: readonly PrintedExit[]): string[] =>
  exits.map((exit) => compared.map((name) => `${name} ${exit[name].toString(16)}`).join(', '));

const installed = hasBochs();
if (!installed) console.log('bochs is not installed: no second opinion of it about EPT');
describe.skipIf(!installed)('bochs', () => {
  test.each(Object.keys(trials))('%s', (name) => {
    const spec = trials[name] as Spec;
    const ours = runHypervisor(spec);
    expect(ours.exits.length).toBeGreaterThan(0);
    const theirs = hypervisorOnBochs(spec);
    const known = ours.exits.map((exit) => ({ ...exit, EXIT_QUALIFICATION: asBochs(exit) }));
    expect(told(known)).toEqual(told(theirs.exits));
    // Where bit 7 of a violation's qualification says that it counts; of a frame that is being pushed, its page.
    const addresses = (exits: readonly PrintedExit[]): bigint[] =>
      exits
        .filter(({ VM_EXIT_REASON: reason, EXIT_QUALIFICATION: bits }) => reason === 48n && bits & 0x80n)
        .map((exit) => exit.GUEST_LINEAR_ADDRESS >> (exit.IDT_VECTORING_INFO_FIELD === 0n ? 0n : 12n));
    expect(addresses(ours.exits)).toEqual(addresses(theirs.exits));
  });
});
