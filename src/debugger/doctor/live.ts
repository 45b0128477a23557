/** Would the current VMCS of a vCPU enter? All that the processor would check, looked at without changing anything. */

import { state as layout } from '../../machine/core/layout';
import type { Facts } from '../../machine/vmx/checks/evaluate';
import type { EntryRule } from '../../machine/vmx/checks/rule';
import { factsOf } from '../../machine/vmx/facts';
import type { Vmx } from '../../machine/vmx/vmx';
import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import type { FieldName } from '../../x86/vmx/fields';
import { writerText } from '../inspect/vmcs-field';
import type { Session } from '../session';
import { hasField } from '../vmcs/availability';
import { currentVmcs, type VmcsView, vmcsAt } from '../vmcs/view';
import { diagnose, type Report } from './report';
import { reportLines } from './report-lines';

const HOST_64 = 1n << 9n;
const MOV_SS = 2;

export interface LiveReport extends Report {
  readonly view: VmcsView;
  readonly lines: readonly string[];
}

/** What the checks see: in a guest, what they would see at the next entry. */
const factsOfView = (vmx: Vmx, view: VmcsView): Facts => {
  const base = factsOf(vmx.cpu, view);
  return {
    ...base,
    processor: (fact) => {
      // The host that will enter is the one that exits load.
      if (fact === 'host-ia-32e-mode' && vmx.nonRoot) return view.get('VM_EXIT_CONTROLS') & HOST_64 ? 1n : 0n;
      return base.processor(fact);
    },
  };
};

/** @param address of another VMCS than the current one. @throws BadInput where there is none */
export const doctorLive = (session: Session, index: number, address?: bigint): LiveReport => {
  const vcpu = session.vcpu(index);
  const { vmx } = vcpu;
  if (vmx === undefined) throw new BadInput('this processor model has no VT-x');
  if (!vmx.on) throw new BadInput(`vCPU ${index} is not in VMX operation: VMXON has not been executed`);
  const view = address === undefined ? currentVmcs(vcpu) : vmcsAt(session.machine, vcpu, address);
  if (view === undefined)
    throw new BadInput(
      address === undefined ? 'no VMCS is current: VMPTRLD makes one' : `there is no VMCS at ${hex(address)}`,
    );
  const report = diagnose(factsOfView(vmx, view));
  const subject = { machine: session.machine, vcpu, info: session.info };
  const writer = (name: FieldName): string | undefined => writerText(subject, view, name);
  return { ...report, view, lines: [...reportLines(report, { writer }), ...besides(vmx, view, report)] };
};

/** What else decides, before the rules: Intel SDM vol. 3, "Basic VM-Entry Checks". */
const besides = (vmx: Vmx, view: VmcsView, report: Report): string[] => {
  const lines = [
    view.launched
      ? 'Its launch state is "launched": for VMRESUME; VMLAUNCH fails with error 4.'
      : 'Its launch state is "clear": for VMLAUNCH; VMRESUME fails with error 5.',
  ];
  const shadow = vmx.cpu.state.getU32(layout.interruptibility);
  if (!vmx.nonRoot && shadow & MOV_SS)
    lines.push('Events are blocked by MOV SS: an entry now would fail with error 26.');
  const absent = absentFields(vmx, report);
  if (absent.length > 0) lines.push(`Not on this processor: ${absent.join(', ')}.`);
  return ['', ...lines];
};

/** Fields of broken rules that this processor lacks: they cannot be written. */
const absentFields = (vmx: Vmx, { findings }: Report): string[] => {
  const named = new Set(findings.flatMap(({ rule }: { rule: EntryRule }) => rule.fields));
  return [...named].filter((name) => !hasField(vmx, name));
};
