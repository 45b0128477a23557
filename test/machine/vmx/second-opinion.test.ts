/**
 * The same hypervisors on Bochs of the distribution, where it is installed: what each exit says, and error numbers. A handful, or
 * all with RINGSIDE_PEERS=all. Where they differ is said in docs/vmx.md, by the same names.
 */

import { describe, expect, test } from 'vitest';
import { hasBochs } from '../../bochs';
import { errorRows, invalidRows } from './error-rows';
import type { PrintedExit, Spec } from './hypervisor';
import { interceptRows } from './intercept-rows';
import { hypervisorOnBochs } from './on-bochs';
import { runHypervisor } from './run-hypervisor';
import { transitionRows } from './transition-rows';

/** Trials on which Bochs 2.7 and the manual differ, with the reason; docs/vmx.md says more. */
const differences: Readonly<Record<string, string>> = {
  'error 1 by guest 1': 'VMCALL in root operation ends it: not implemented',
  'an NMI exits': 'it saves blocking by NMI as if the NMI had been delivered',
  'an NMI in the shadow of STI is 33 with qualification 3': 'its qualification is 0',
  'the monitor trap flag exits': 'the control is taken, and no exit comes',
  'a fault counts for the monitor trap flag': 'the same',
  'an injected event counts for the monitor trap flag': 'the same',
  'an injected MTF exit comes before the first instruction': 'the same',
  'an external interrupt exits whatever IF says': 'it does not while IF is 0',
};

const everyday: readonly string[] = [
  'CPUID exits',
  'OUTSB exits',
  'a fault in the delivery of an injected #PF exits as itself, where the bitmap wants it',
];

/** Reasons with instruction information, and which of its bits mean something. */
const informed = new Map<bigint, bigint>([
  ...[19, 21, 22, 23, 25, 27, 50, 53, 58, 47, 30].map((reason): [bigint, bigint] => [BigInt(reason), ~0n]),
  [46n, ~0x800n],
  [57n, 0x1878n],
  [61n, 0x1878n],
]);
const STRING = 0x10n;
const INPUT = 0x8n;
const SEGMENT = 0x38000n;
const RF = 0x10000n;
const WITH_CODE = 0x800n;
const SOFTWARE = 0x400n;
const FAILED = 0x8000_0000n;

/** What is defined of an exit's information. */
const defined = (exit: PrintedExit): Partial<PrintedExit> => {
  const { VM_EXIT_REASON: reason, EXIT_QUALIFICATION } = exit;
  if (reason & FAILED) return { VM_EXIT_REASON: reason, EXIT_QUALIFICATION };
  const string = reason === 30n && (EXIT_QUALIFICATION & STRING) !== 0n;
  const { VM_EXIT_INTR_INFO: info, IDT_VECTORING_INFO_FIELD: vectoring } = exit;
  const software = ((info | vectoring) & SOFTWARE) !== 0n || (reason >= 9n && reason !== 37n && reason < 43n);
  const segment = string && (EXIT_QUALIFICATION & INPUT) !== 0n ? SEGMENT : 0n;
  return {
    ...exit,
    // The image that a fault would push has RF set; Bochs saves RF as it was.
    GUEST_RFLAGS: exit.GUEST_RFLAGS & ~(reason === 0n ? RF : 0n),
    VM_EXIT_INTR_ERROR_CODE: info & WITH_CODE ? exit.VM_EXIT_INTR_ERROR_CODE : 0n,
    IDT_VECTORING_ERROR_CODE: vectoring & WITH_CODE ? exit.IDT_VECTORING_ERROR_CODE : 0n,
    VM_EXIT_INSTRUCTION_LEN: software ? exit.VM_EXIT_INSTRUCTION_LEN : 0n,
    VMX_INSTRUCTION_INFO:
      reason === 30n && !string ? 0n : exit.VMX_INSTRUCTION_INFO & (informed.get(reason) ?? 0n) & ~segment,
    GUEST_LINEAR_ADDRESS: string ? exit.GUEST_LINEAR_ADDRESS : 0n,
  };
};

interface Trial {
  readonly name: string;
  readonly spec: Spec;
  readonly cpu?: string;
}
const trials: readonly Trial[] = [
  ...interceptRows.flatMap(({ name, exits, passes, cpu = 'haswell' }): Trial[] => [
    { name: `${name} exits`, spec: exits, cpu },
    ...(passes === undefined ? [] : [{ name: `${name} does not exit`, spec: passes, cpu }]),
  ]),
  ...transitionRows,
  ...Object.entries(errorRows).flatMap(([error, specs]) =>
    (specs ?? []).map((spec, n): Trial => ({ name: `error ${error} by guest ${n + 1}`, spec })),
  ),
  ...invalidRows.map(([name, spec]): Trial => ({ name, spec })),
];
const all = process.env.RINGSIDE_PEERS === 'all';

const installed = hasBochs();
if (!installed) console.log('bochs is not installed: no second opinion of it');
describe.skipIf(!installed)('bochs', () => {
  const asked = trials.filter(
    ({ name, cpu = 'haswell' }) => cpu === 'haswell' && (all || everyday.includes(name)) && !(name in differences),
  );
  test.each(asked.map((trial) => [trial.name, trial] as const))(
    '%s',
    (_, { spec }) => {
      const theirs = hypervisorOnBochs(spec);
      const ours = runHypervisor(spec);
      expect({ exits: ours.exits.map(defined), end: ours.end }).toEqual({
        exits: theirs.exits.map(defined),
        end: theirs.end,
      });
    },
    60_000,
  );
});

test('every difference is of a trial that exists', () => {
  const names = trials.map(({ name }) => name);
  expect(Object.keys(differences).filter((name) => !names.includes(name))).toEqual([]);
});
