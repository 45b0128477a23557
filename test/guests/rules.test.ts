/** The rules that the core and the guests name: each exists, and which of them no guest breaks is known. */

import { expect, test } from 'vitest';
import { coreBytes } from '../../src/machine/core/binary';
import { Handlers } from '../../src/machine/core/handlers';
import { rules } from '../../src/x86/rules';
import { groups } from './groups';

test('every reason of an instruction in the core is a rule', () => {
  const { reasons } = new Handlers(new WebAssembly.Module(coreBytes));
  expect(reasons.length).toBeGreaterThan(5);
  expect(reasons.filter((reason) => !(reason in rules))).toEqual([]);
});

/** The rules of these families without a guest: test/cpu breaks them on the processor alone. */
const withoutGuest = [
  'descriptor.upper-type',
  'stack.beyond-limit',
  'stack.noncanonical',
  'system.base-noncanonical',
  'gate.code-not-64-bit',
  'tss.stack-beyond-limit',
  'return.dpl',
  'return.conforming-dpl',
  'v86.handler-dpl',
  'sysenter.real-mode',
  'sysexit.noncanonical',
  'task.local',
  'task.old-limit',
  'task.ldt-local',
  'task.ldt-not-present',
  'task.stack-null',
  'io.iopl',
  'feature.absent',
  'cr.undefined',
  'cr0.long-mode-needs-cs-l-0',
  'cr0.long-mode-needs-32-bit-tss',
  'cr0.pg-needed-by-pcide',
  'cr4.pcide-needs-long-mode',
  'table.canonical',
  'invpcid.type',
  'invpcid.reserved',
  'invpcid.pcid',
  'invpcid.canonical',
  'monitor.extensions',
  'mwait.extensions',
  'fsgsbase.cr4',
  'fsgsbase.canonical',
  'smap.cpl-0',
  'interrupt-flag.iopl',
  'xcr.osxsave',
  'msr.read-only',
  'msr.reserved',
  'msr.apic-transition',
  'msr.feature-control-locked',
  // No refusal: what stands for an exit on its way.
  'vmx.exit',
];

test('a guest breaks every rule but those listed', () => {
  const told = new Set<string>(
    Object.values(groups)
      .flat()
      .flatMap(({ faults }) => faults.map(({ rule }) => rule)),
  );
  // What an instruction raises on purpose breaks no rule.
  const broken = Object.keys(rules).filter((rule) => !rule.startsWith('software.'));
  expect(broken.filter((rule) => !told.has(rule))).toEqual(withoutGuest);
});
