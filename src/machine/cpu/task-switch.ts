/**
 * Hardware task switches: by JMP and CALL, interrupts and exceptions through task gates, and IRET from a nested task.
 * The old task's state goes to its TSS, the new one's comes from its own; what is wrong with the new task's segments is
 * found when the switch has happened, and belongs to the new task. Intel SDM vol. 3, "Task Switching".
 */

import { CR0, DR6 } from '../../x86/control-registers';
import { type Descriptor, systemType } from '../../x86/descriptors';
import { exception } from '../../x86/exceptions';
import { flagBits } from '../../x86/registers';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { state as layout } from '../core/layout';
import { CS, DS, ES, FS, GS, LDTR, type SegmentIndex, SS, TR } from '../core/state';
import { arrive, checkRealTarget, checkTarget, setCode } from './code-segment';
import { setCr3 } from './control-registers';
import type { Cpu } from './cpu';
import { DebugException, disableLocalBreakpoints } from './debug-registers';
import { codeOf, fetchDescriptor, isNull, markAccessed, markBusy } from './descriptors';
import { modeOf, VIRTUAL_8086 } from './mode';
import { refuse, refuseEntry } from './refusal';
import { checkStackSegment, loadData, loadVirtual8086, setDescriptor, setNull } from './segment-load';
import { currentStack } from './stack';
import { PREVIOUS_TASK, type TssLayout, tss16, tss32 } from './task-state-segment';
import { VmExit } from './virtualization';

export type TaskSwitchCause = 'jump' | 'call' | 'event' | 'iret';

/** What an event brings along. */
export interface TaskEvent {
  /** EXT of error codes. */
  readonly external: number;
  /** The image of EFLAGS to save, with RF as the event wants it. */
  readonly flags: number;
  readonly errorCode: number | undefined;
}

/** The new task of a JMP, a CALL or a task gate: an available TSS. @throws Fault #GP, #NP */
export const fetchTask = (cpu: Cpu, selector: number, external: number): Descriptor => {
  const code = codeOf(selector, external);
  if (selector & 4) refuse(exception.GP, 'task.local', code, { selector });
  const tss = fetchDescriptor(cpu, selector, exception.GP, external);
  if (!tss.isSystem || (tss.type !== systemType.tss16 && tss.type !== systemType.tss32))
    refuseEntry(exception.GP, 'task.type', code, tss);
  if (!tss.isPresent) refuseEntry(exception.NP, 'task.not-present', code, tss);
  return tss;
};

/** The task that IRET returns to: the busy TSS that the back link of the current one names. @throws Fault #TS, #NP */
export const fetchPreviousTask = (cpu: Cpu): Descriptor => {
  const selector = Number(cpu.linear.read(cpu.state.segmentBase(TR) + BigInt(PREVIOUS_TASK), 2, 'supervisor'));
  const code = codeOf(selector, 0);
  if (selector & 4) refuse(exception.TS, 'task.local', code, { selector });
  const tss = fetchDescriptor(cpu, selector, exception.TS, 0);
  if (!tss.isSystem || (tss.type !== systemType.tss16Busy && tss.type !== systemType.tss32Busy))
    refuseEntry(exception.TS, 'task.return-type', code, tss);
  if (!tss.isPresent) refuseEntry(exception.NP, 'task.not-present', code, tss);
  return tss;
};

const causes: Readonly<Record<TaskSwitchCause, bigint>> = { call: 0n, iret: 1n, jump: 2n, event: 3n };

/** Task switches do not happen in a guest. Intel SDM vol. 3, "Exit Qualification for Task Switches". */
const taskSwitchExit = (selector: number, cause: TaskSwitchCause, length: bigint): VmExit =>
  new VmExit({
    reason: exitReasons.TASK_SWITCH.number,
    cause: { rule: 'always.TASK_SWITCH' },
    qualification: BigInt(selector) | (causes[cause] << 30n),
    instructionLength: cause === 'event' ? 0 : Number(BigInt.asUintN(8, length)),
  });

/**
 * @param nextRip where the old task goes on when it is resumed
 * @throws Fault: while the old task is still current, or as the new one's, with RIP already its own
 */
export const switchTask = (
  cpu: Cpu,
  tss: Descriptor,
  cause: TaskSwitchCause,
  nextRip: bigint,
  event?: TaskEvent,
): void => {
  const { state } = cpu;
  const external = event?.external ?? 0;
  const fromMode = modeOf(state);
  const fromCpl = state.cpl;
  const old = currentTask(cpu, external);
  const next = layoutOf(tss.type);
  const newSelector = tss.selector & 0xffff;
  if (tss.limit < next.minimum) refuseEntry(exception.TS, 'task.limit', codeOf(newSelector, external), tss);
  // Gate, descriptor and limit come before the exit, the TSSs' contents behind it: "Treatment of Task Switches".
  if (cpu.vmx?.nonRoot) {
    if (event !== undefined) state.rflags = event.flags;
    throw taskSwitchExit(newSelector, cause, nextRip - state.rip);
  }

  // Everything that may fault for the old task comes first: the new state is read, all writes are made sure of.
  const incoming = readTask(cpu, BigInt(tss.base), next);
  const oldSelector = state.selector(TR);
  const [first, end] = old.layout.saved;
  cpu.linear.probe(old.base + BigInt(first), end - first, 'supervisor');
  const nested = cause === 'call' || cause === 'event';
  const newBase = BigInt(tss.base);
  if (nested) cpu.linear.probe(newBase, 2, 'supervisor');
  cpu.linear.probe(tss.address + 5n, 1, 'supervisor');
  const outgoing = nested ? undefined : findOldDescriptor(cpu, oldSelector, external);
  if (outgoing !== undefined) markBusy(cpu, outgoing, false);

  const flags = event?.flags ?? state.rflags;
  saveTask(cpu, old.base, old.layout, nextRip, cause === 'iret' ? flags & ~flagBits.NT : flags);
  if (nested) cpu.linear.write(newBase, 2, BigInt(oldSelector), 'supervisor');
  if (cause !== 'iret') markBusy(cpu, tss, true);

  cpu.surroundings.emit('task-switch', () => ({ from: oldSelector, to: newSelector }));
  state.setHidden(TR, newSelector, tss.base, tss.limit, tss.rights | 2);
  state.cr0 |= BigInt(CR0.TS);
  disableLocalBreakpoints(state);
  loadTask(cpu, next, incoming, nested);
  cpu.modeChanged();
  if (incoming.cr3 !== undefined && (state.getU32(layout.cr0) & CR0.PG) !== 0) setCr3(cpu, incoming.cr3);
  loadSegments(cpu, incoming, external);
  arrive(cpu, fromMode, fromCpl, incoming.ip);

  if (event?.errorCode !== undefined) {
    const stack = currentStack(cpu, modeOf(state), external);
    stack.reserve(1, next.size);
    stack.push(event.errorCode, next.size);
    stack.commit();
  }
  if (incoming.code === undefined) checkRealTarget(cpu, incoming.ip);
  else checkTarget(cpu, incoming.code, incoming.ip, external);
  if (incoming.trap) throw new DebugException(DR6.BT, { rule: 'task.trap', selector: newSelector });
};

const layoutOf = (type: number): TssLayout => (type & 8 ? tss32 : tss16);

/** A task's state as its TSS holds it. */
interface Incoming {
  readonly ip: bigint;
  readonly flags: number;
  readonly general: readonly bigint[];
  /** Selectors by segment register. */
  readonly selectors: readonly number[];
  readonly ldt: number;
  readonly cr3: bigint | undefined;
  readonly trap: boolean;
  /** Filled when CS has been loaded, left undefined in virtual-8086 mode. */
  code?: Descriptor;
}

const currentTask = (cpu: Cpu, external: number): { base: bigint; layout: TssLayout } => {
  const { state } = cpu;
  const { base, limit, selector, access: rights } = state.segment(TR);
  const old = layoutOf(rights);
  if (limit < old.saved[1] - 1)
    refuse(exception.TS, 'task.old-limit', codeOf(selector, external), { selector, value: BigInt(limit) });
  return { base, layout: old };
};

const findOldDescriptor = (cpu: Cpu, selector: number, external: number): Descriptor =>
  fetchDescriptor(cpu, selector, exception.TS, external);

const readTask = (cpu: Cpu, base: bigint, tss: TssLayout): Incoming => {
  const { size } = tss;
  const at = (offset: number, bytes: 2 | 4): bigint => cpu.linear.read(base + BigInt(offset), bytes, 'supervisor');
  const general: bigint[] = [];
  for (let register = 0; register < 8; register++) general.push(at(tss.general + register * size, size));
  const selectors = [0, 0, 0, 0, 0, 0];
  for (const { index, at: offset } of tss.segments) selectors[index] = Number(at(offset, 2));
  return {
    ip: at(tss.ip, size),
    flags: Number(at(tss.flags, size)),
    general,
    selectors,
    ldt: Number(at(tss.ldt, 2)),
    cr3: tss.cr3 === undefined ? undefined : at(tss.cr3, 4),
    trap: tss.trap !== undefined && (at(tss.trap, 2) & 1n) !== 0n,
  };
};

const saveTask = (cpu: Cpu, base: bigint, tss: TssLayout, nextRip: bigint, flags: number): void => {
  const { state } = cpu;
  const { size } = tss;
  const put = (offset: number, bytes: 2 | 4, value: bigint): void =>
    cpu.linear.write(base + BigInt(offset), bytes, BigInt.asUintN(bytes * 8, value), 'supervisor');
  put(tss.ip, size, nextRip);
  put(tss.flags, size, BigInt(flags));
  for (let register = 0; register < 8; register++) put(tss.general + register * size, size, state.gpr(register));
  for (const { index, at } of tss.segments) put(at, 2, BigInt(state.selector(index)));
};

/** All that cannot fault: from here on the new task is the current one. */
const loadTask = ({ state }: Cpu, tss: TssLayout, incoming: Incoming, nested: boolean): void => {
  const { flags, general, selectors } = incoming;
  // A 16-bit TSS leaves the upper halves undefined: ones, so that a task that relies on them is found out.
  const upper = tss.size === 2 ? 0xffff_0000n : 0n;
  for (let register = 0; register < 8; register++) state.setGpr(register, upper | (general[register] as bigint));
  const loaded = tss.size === 2 ? 0x7fd7 : 0x3f_7fd7;
  state.rflags = (flags & loaded) | (nested ? flagBits.NT : 0);
  state.rip = incoming.ip;
  for (const index of SEGMENTS) setNull(state, index, selectors[index] as number);
  setNull(state, LDTR, incoming.ldt);
  // As Bochs has it: a fault before SS is there finds a stack in the TSS.
  state.cpl = 3;
};

const SEGMENTS: readonly SegmentIndex[] = [ES, CS, SS, DS, FS, GS];

/** LDTR, then the segment registers. @throws Fault #TS, #NP, #SS, #GP of the new task */
const loadSegments = (cpu: Cpu, incoming: Incoming, external: number): void => {
  const { state } = cpu;
  const { selectors, ldt } = incoming;
  if (!isNull(ldt)) loadLocalTable(cpu, ldt, external);
  if (modeOf(state) === VIRTUAL_8086) {
    for (const index of SEGMENTS) loadVirtual8086(state, index, selectors[index] as number);
    return;
  }
  // The manual leaves the order open; this is Bochs's.
  state.cpl = (selectors[CS] as number) & 3;
  loadStack(cpu, selectors[SS] as number, external);
  for (const index of [DS, ES, FS, GS] as const)
    loadData(cpu, index, selectors[index] as number, exception.TS, external);
  incoming.code = loadCode(cpu, selectors[CS] as number, external);
};

const loadLocalTable = (cpu: Cpu, selector: number, external: number): void => {
  const code = codeOf(selector, external);
  if (selector & 4) refuse(exception.TS, 'task.ldt-local', code, { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.TS, external);
  if (!descriptor.isSystem || descriptor.type !== systemType.ldt)
    refuseEntry(exception.TS, 'task.ldt-type', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.TS, 'task.ldt-not-present', code, descriptor);
  const { base, limit, rights } = descriptor;
  cpu.state.setHidden(LDTR, selector, base, limit, rights);
};

const loadCode = (cpu: Cpu, selector: number, external: number): Descriptor => {
  const code = codeOf(selector, external);
  const rpl = selector & 3;
  if (isNull(selector)) refuse(exception.TS, 'task.code-null', code, { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.TS, external);
  if (!descriptor.isCode) refuseEntry(exception.TS, 'task.code-type', code, descriptor);
  if (descriptor.isConformingCode ? descriptor.dpl > rpl : descriptor.dpl !== rpl)
    refuseEntry(exception.TS, 'task.code-dpl', code, descriptor);
  if (!descriptor.isPresent) refuseEntry(exception.NP, 'task.code-not-present', code, descriptor);
  markAccessed(cpu, descriptor);
  setCode(cpu.state, descriptor, rpl);
  return descriptor;
};

const loadStack = (cpu: Cpu, selector: number, external: number): void => {
  if (isNull(selector)) refuse(exception.TS, 'task.stack-null', codeOf(selector, external), { selector });
  const descriptor = fetchDescriptor(cpu, selector, exception.TS, external);
  checkStackSegment(descriptor, cpu.state.cpl, exception.TS, external);
  markAccessed(cpu, descriptor);
  setDescriptor(cpu.state, SS, selector, descriptor);
};
