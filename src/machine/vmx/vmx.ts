/**
 * VT-x of one vCPU: VMX operation, the current VMCS, entries and exits. Intel SDM vol. 3, part "Virtual-Machine Extensions".
 * What may enter is decided by checks/, what exits by intercepts/; this file makes the transitions.
 */

import { type Instruction, Mnemonic, Register } from 'iced-x86';
import { EFER } from '../../x86/control-registers';
import { controlOf, controlWords } from '../../x86/vmx/controls';
import { exitReasons } from '../../x86/vmx/exit-reasons';
import { type FieldName, fieldAt, fieldIndex, fieldNames, vmcsFields } from '../../x86/vmx/fields';
import type { Fault } from '../core/fault';
import { state as layout, vcpu } from '../core/layout';
import type { VmcsTransfers } from '../core/vmcs-transfers';
import type { Cpu } from '../cpu/cpu';
import type { AddressView } from '../cpu/look';
import { memoryOffset, segmentLinear } from '../cpu/operands';
import type { Exit, GuestEvent, Virtualization, VmxAbort } from '../cpu/virtualization';
import { controlChecks, entryRules, hostStateChecks } from './checks';
import { EntryChecks } from './checks/compiled';
import type { Facts } from './checks/evaluate';
import type { EntryRule } from './checks/rule';
import { type ControlBits, control, controlBitsOf } from './control-bits';
import { loadEntryMsrs, loadGuest } from './entry';
import { injectedEvent, injectsTrapFlag } from './event';
import { loadExitMsrs, loadHost, saveGuest, storeExitMsrs, writeInformation } from './exit';
import { capabilityValue, factsOf } from './facts';
import { requireFixed } from './fixed-bits';
import { deliverInGuest, softwareExceptionExit } from './guest-delivery';
import { guestSideOf } from './guest-side';
import { checkMode, fail, failInvalid, requireOperation, vmxInstructions } from './instructions';
import { interceptOf } from './intercepts';
import { shadowed, unowned } from './intercepts/control-registers';
import { loadPendingDebug, nmiBlockingAfter, savePendingDebug } from './pending-debug';
import { mustAttend, trapFlag } from './pending-events';
import { readRegion, writeAbort, writeRegion } from './region';
import { checkThreshold, readTaskPriority, writeTaskPriority } from './task-priority';
import { NO_VMCS, type Vmcs, VmcsSlots, type Writer } from './vmcs';

const {
  EXCEPTION_BITMAP,
  PAGE_FAULT_ERROR_CODE_MASK,
  PAGE_FAULT_ERROR_CODE_MATCH,
  VIRTUAL_PROCESSOR_ID,
  VM_ENTRY_EXCEPTION_ERROR_CODE,
  VM_ENTRY_INSTRUCTION_LEN,
  VM_ENTRY_INTR_INFO_FIELD,
  VMX_PREEMPTION_TIMER_VALUE,
} = fieldIndex;

const NO_CONTROLS: ControlBits = { pin: 0, primary: 0, secondary: 0, exit: 0, entry: 0 };
const BLOCKED_BY_MOV_SS = 2;
const BLOCKED_BY_NMI = 8;

/** Of IA32_VMX_EPT_VPID_CAP, and the bit of an EPT pointer that the last of them allows. */
const UNCACHEABLE = 1n << 8n;
const WRITE_BACK = 1n << 14n;
const ACCESSED_DIRTY = 1n << 21n;
const ENABLE_ACCESSED_DIRTY = 1n << 6n;

/** What VT-x needs of the vCPU around it. */
export interface VmxHost {
  readonly transfers: VmcsTransfers;
  /** The machine's step, for stamps. */
  step(): number;
  /** Virtual time, for the preemption timer. */
  now(): number;
  /** Modes, translations, debug registers: everything may have changed. */
  switched(): void;
  /** Delivers an event that an entry injects. */
  inject(event: GuestEvent): void;
  /** A VMX abort: the processor shuts down. */
  shutDown(abort: VmxAbort): void;
}

/** Qualifications of entry failures due to guest state. Intel SDM vol. 3, "VM-Entry Failures During or After Loading Guest State". */
const failureQualification = (rule: EntryRule): bigint => {
  if (rule.id.startsWith('guest.pdpte')) return 2n;
  if (rule.id === 'guest.interruptibility.nmi-not-after-sti') return 3n;
  return rule.id.startsWith('guest.link-pointer') ? 4n : 0n;
};

/** By what a guest's translations are tagged. */
const spaceOf = (
  vmcs: Vmcs | undefined,
  { secondary }: ControlBits,
): { readonly vpid: number; readonly pointer: bigint | undefined } => ({
  vpid: vmcs !== undefined && secondary & control.enableVpid ? vmcs.low(VIRTUAL_PROCESSOR_ID) : 0,
  pointer: vmcs !== undefined && secondary & control.enableEpt ? vmcs.get('EPT_POINTER') : undefined,
});

const controlRules: ReadonlySet<EntryRule> = new Set(controlChecks);
const hostRules: ReadonlySet<EntryRule> = new Set(hostStateChecks);
/** VM-instruction error of a broken rule; undefined for rules of the guest, which make an exit. */
const errorOf = (rule: EntryRule): 7 | 8 | undefined => {
  if (controlRules.has(rule)) return 7;
  return hostRules.has(rule) ? 8 : undefined;
};

export class Vmx implements Virtualization {
  readonly cpu: Cpu;
  readonly slots: VmcsSlots;
  /** Made at the first entry: most machines see none. */
  private checks: EntryChecks | undefined;
  private readonly factsBySlot = new Map<number, Facts>();
  /** The control words of the current guest; zeros in root operation. */
  controls: ControlBits = NO_CONTROLS;
  /** The last exit and its virtual time, for whoever asks why; not part of the machine's state. */
  lastExit: { readonly exit: Exit; readonly at: number } | undefined;
  shadow = 0;
  unblocked = false;
  transitions = 0;
  private readonly host: VmxHost;
  /** VMCLEAR or VMPTRLD is at work on regions in memory. */
  activating = false;
  /** Called when they have changed which VMCSs are active. */
  onActive: (() => void) | undefined;
  /** Regions that were active once: for whoever looks. */
  readonly regions = new Set<bigint>();

  constructor(cpu: Cpu, host: VmxHost) {
    this.cpu = cpu;
    this.host = host;
    this.slots = new VmcsSlots(cpu.state);
    this.listFields();
  }

  /** For the core, which reads and writes fields by itself where nothing speaks against it. */
  private listFields(): void {
    const { memory, base } = this.cpu.state;
    for (const [number, name] of fieldNames.entries()) {
      const { encoding } = vmcsFields[name];
      if (this.hasField(encoding)) memory.u8[base + vcpu.vmcsFields + (encoding >>> 1)] = number + 1;
    }
  }

  get on(): boolean {
    return this.cpu.state.getU32(layout.vmxOn) !== 0;
  }
  get nonRoot(): boolean {
    return this.cpu.state.getU32(layout.vmxNonRoot) !== 0;
  }
  /** The current VMCS. */
  get current(): Vmcs | undefined {
    const slot = this.cpu.state.getU32(layout.vmcsSlot);
    return slot === 0 ? undefined : this.slots.at(slot);
  }
  /** The current-VMCS pointer as VMPTRST stores it. */
  get pointer(): bigint {
    return this.current?.address ?? NO_VMCS;
  }

  get guestSide(): AddressView | undefined {
    const { current } = this;
    return current === undefined || this.nonRoot || !this.on ? undefined : guestSideOf(this.cpu, current);
  }

  /** The state was replaced: what is kept beside it is read again. */
  resume(): void {
    this.lastExit = undefined;
    this.checks?.forget();
    const { current } = this;
    const guest = this.nonRoot ? current : undefined;
    this.controls = guest === undefined ? NO_CONTROLS : controlBitsOf(guest);
    const { vpid, pointer } = spaceOf(guest, this.controls);
    this.cpu.paging.resumeSpace(guest !== undefined, vpid, pointer);
  }

  // VMCSs

  select(vmcs: Vmcs | undefined): void {
    if (vmcs !== undefined) vmcs.age = this.slots.nextAge();
    this.cpu.state.setU32(layout.vmcsSlot, vmcs?.at ?? 0);
  }
  /** A slot with the contents of a region; another VMCS may have to be written back for it. */
  claim(address: bigint): Vmcs {
    const slot = this.slots.slotFor(address);
    if (slot.inUse) {
      if (slot === this.current) this.select(undefined);
      writeRegion(this.cpu.physical, slot);
    }
    slot.claim(address);
    this.regions.add(address);
    readRegion(this.cpu.physical, slot, (name) => this.stamp(slot, name, 'load'));
    return slot;
  }
  stamp(vmcs: Vmcs, name: FieldName, by: Writer): void {
    vmcs.stamp(name, by, this.host.step(), this.cpu.state.rip);
  }
  writeField(vmcs: Vmcs, encoding: number, value: bigint, by: Writer): void {
    const name = fieldAt(encoding);
    if (name === undefined) return;
    vmcs.write(encoding, value);
    this.stamp(vmcs, name, by);
  }

  /** Does this processor have a field? */
  hasField(encoding: number): boolean {
    const name = fieldAt(encoding);
    if (name === undefined) return false;
    const row: { readonly needs?: readonly string[] } = vmcsFields[name];
    return row.needs === undefined || row.needs.some((need) => this.allows(need));
  }
  /** May a control be 1? Capabilities that are no control are not there. */
  allows(id: string): boolean {
    const row = controlOf(id);
    if (row === undefined) return false;
    const { capability, trueCapability, allowed1Only } = controlWords[row.word];
    const value = capabilityValue(this.cpu.model.vmx ?? {}, trueCapability ?? capability);
    return (((allowed1Only ? value : value >> 32n) >> BigInt(row.bit)) & 1n) !== 0n;
  }
  /** An EPT pointer that an entry would take. Intel SDM vol. 3, "Extended-Page-Table Pointer (EPTP)". */
  isEptPointer(value: bigint): boolean {
    const type = value & 7n;
    const capabilities = this.cpu.model.vmx?.IA32_VMX_EPT_VPID_CAP ?? 0n;
    return (
      (type === 0n ? (capabilities & UNCACHEABLE) !== 0n : type === 6n && (capabilities & WRITE_BACK) !== 0n) &&
      ((value & ENABLE_ACCESSED_DIRTY) === 0n || (capabilities & ACCESSED_DIRTY) !== 0n) &&
      ((value >> 3n) & 7n) === 3n &&
      (value & 0xf80n) === 0n &&
      value >> BigInt(this.cpu.model.physicalBits) === 0n
    );
  }

  // Instructions

  execute(instruction: Instruction, nextRip: bigint): void {
    const { cpu } = this;
    const { mnemonic } = instruction;
    if (mnemonic !== Mnemonic.Vmxon) requireOperation(this, instruction);
    checkMode(cpu, instruction);
    const before = this.transitions;
    vmxInstructions.get(mnemonic)?.(this, instruction);
    // An entry has gone elsewhere, also one that failed half-way.
    if (this.transitions === before) cpu.state.rip = nextRip;
  }

  intercept(instruction: Instruction): boolean {
    const exit = interceptOf(this, instruction);
    if (exit === undefined) return false;
    if (instruction.mnemonic === Mnemonic.Vmcall)
      this.cpu.surroundings.emit('hypercall', () => ({ number: this.cpu.state.gpr(0) }));
    this.exit(exit);
    return true;
  }

  shadowed(register: 0 | 4, value: bigint): bigint {
    return this.nonRoot ? shadowed(this, register, value) : value;
  }
  admitted(register: 0 | 4, now: bigint, value: bigint): bigint {
    const admitted = this.nonRoot ? unowned(this, register, now, value) : value;
    if (this.on) requireFixed(this, register, admitted);
    return admitted;
  }

  deliver(fault: Fault, during?: GuestEvent): void {
    deliverInGuest(this, fault, during);
  }
  readTaskPriority(): number | undefined {
    return readTaskPriority(this);
  }
  writeTaskPriority(value: number): boolean {
    return writeTaskPriority(this, value);
  }
  get tscOffset(): bigint {
    return this.controls.primary & control.tscOffset ? (this.current?.get('TSC_OFFSET') ?? 0n) : 0n;
  }
  softwareException(event: GuestEvent): boolean {
    return softwareExceptionExit(this, event);
  }
  get iretUnblocks(): boolean {
    const { pin } = this.controls;
    return !(pin & control.nmiExiting) || (pin & control.virtualNmis) !== 0;
  }

  wantsException(vector: number, errorCode: number | undefined): boolean {
    const { current } = this;
    if (current === undefined) return false;
    const selected = ((current.low(EXCEPTION_BITMAP) >>> vector) & 1) !== 0;
    if (vector !== 14) return selected;
    const mask = current.low(PAGE_FAULT_ERROR_CODE_MASK);
    const match = current.low(PAGE_FAULT_ERROR_CODE_MATCH);
    return ((errorCode ?? 0) & mask) >>> 0 === match ? selected : !selected;
  }

  /** Linear address of a memory operand without a check of its segment's limit, as INVLPG has it. */
  flatAddress(instruction: Instruction): bigint {
    const segment = instruction.memorySegment - Register.ES;
    return segmentLinear(this.cpu, segment, memoryOffset(this.cpu, instruction));
  }

  // Entries

  /** VMLAUNCH and VMRESUME, behind the checks of mode and privilege. */
  enter(launch: boolean): void {
    const { cpu, current } = this;
    const { state } = cpu;
    if (current === undefined) return failInvalid(this);
    if (this.shadow & BLOCKED_BY_MOV_SS) return fail(this, 26);
    if (launch && current.launched) return fail(this, 4);
    if (!launch && !current.launched) return fail(this, 5);
    const facts = this.factsOf(current);
    this.checks ??= new EntryChecks(entryRules, facts);
    const broken = this.checks.firstBroken(current, facts, (state.getU32(layout.efer) & EFER.LMA) !== 0);
    const error = broken === undefined ? undefined : errorOf(broken);
    if (broken !== undefined && error !== undefined) {
      cpu.surroundings.emit('vmentry-failure', () => ({
        vmcs: current.address,
        stage: error === 7 ? 'controls' : 'host-state',
        rule: broken.id,
      }));
      return fail(this, error);
    }
    this.shadow = 0;
    const nmiBlocking = state.getU32(layout.interruptibility) & BLOCKED_BY_NMI;
    const controls = controlBitsOf(current);
    if (broken !== undefined) {
      cpu.surroundings.emit('vmentry-failure', () => ({
        vmcs: current.address,
        stage: 'guest-state',
        rule: broken.id,
      }));
      this.failEntry(
        current,
        controls,
        'ENTRY_FAILURE_GUEST_STATE',
        failureQualification(broken),
        broken.id,
        nmiBlocking,
      );
      return;
    }
    loadGuest(cpu, current, controls, this.host.transfers);
    const refused = loadEntryMsrs(cpu, current);
    if (refused !== undefined) {
      cpu.surroundings.emit('vmentry-failure', () => ({
        vmcs: current.address,
        stage: 'msr-loading',
        rule: `entry.msr.${refused.rule}`,
        refused,
      }));
      this.failEntry(
        current,
        controls,
        'ENTRY_FAILURE_MSR_LOADING',
        BigInt(refused.entry),
        `entry.msr.${refused.rule}`,
        nmiBlocking,
      );
      return;
    }
    this.begin(current, controls, launch);
  }

  private factsOf(vmcs: Vmcs): Facts {
    let facts = this.factsBySlot.get(vmcs.at);
    if (facts === undefined) {
      facts = factsOf(this.cpu, vmcs);
      this.factsBySlot.set(vmcs.at, facts);
    }
    return facts;
  }

  private begin(vmcs: Vmcs, controls: ControlBits, launch: boolean): void {
    const { cpu, host } = this;
    const { state } = cpu;
    vmcs.launched = true;
    this.transitions++;
    this.controls = controls;
    state.setU32(layout.vmxNonRoot, 1);
    const info = vmcs.low(VM_ENTRY_INTR_INFO_FIELD);
    if (controls.pin & control.preemptionTimer) this.startTimer(vmcs.low(VMX_PREEMPTION_TIMER_VALUE));
    state.setU32(layout.trapFlagPending, injectsTrapFlag(info) ? trapFlag.injected : 0);
    state.setU32(layout.pauseFirst, 0);
    this.switchSpace(vmcs, controls);
    host.switched();
    cpu.surroundings.emit('vmentry', () => ({ vmcs: vmcs.address, launch, to: state.rip }));
    const event = injectedEvent(info, vmcs.low(VM_ENTRY_EXCEPTION_ERROR_CODE), vmcs.low(VM_ENTRY_INSTRUCTION_LEN));
    loadPendingDebug(this, event);
    if (event !== undefined) host.inject(event);
    else if (controls.primary & control.tprShadow) checkThreshold(this);
    // "Monitor Trap Flag": an injected event counts as an instruction.
    if (event !== undefined && this.nonRoot && controls.primary & control.trapFlag)
      state.setU32(layout.trapFlagPending, trapFlag.counted);
    if (mustAttend(this)) state.setU32(layout.leave, 1);
  }

  /** The translations of the guest: its VPID, PCID and EPT. Without a VPID those of VPID 0 go. */
  private switchSpace(vmcs: Vmcs, controls: ControlBits): void {
    const { vpid, pointer } = spaceOf(vmcs, controls);
    this.cpu.paging.enterSpace(vpid, pointer);
  }

  /** Exit reasons 33 and 34: the host's state is loaded as by an exit, the guest's is not saved. */
  private failEntry(
    vmcs: Vmcs,
    controls: ControlBits,
    reason: 'ENTRY_FAILURE_GUEST_STATE' | 'ENTRY_FAILURE_MSR_LOADING',
    qualification: bigint,
    rule: string,
    nmiBlocking: number,
  ): void {
    const exit: Exit = { reason: exitReasons[reason].number, cause: { rule }, qualification, entryFailure: true };
    writeInformation(vmcs, exit);
    this.stamp(vmcs, 'VM_EXIT_REASON', 'exit');
    this.loadHost(vmcs, controls, nmiBlocking);
    this.tell(exit);
  }

  // Exits

  exit(exit: Exit): void {
    const { cpu, current, controls } = this;
    const { state } = cpu;
    if (current === undefined) return;
    // An instruction that exits has not ended the blocking that it was executed under.
    const interruptibility = state.getU32(layout.interruptibility) | this.shadow;
    state.setU32(layout.interruptibility, interruptibility);
    this.shadow = 0;
    this.unblocked = false;
    savePendingDebug(state, exit);
    writeInformation(current, exit);
    this.saveTimer(current);
    saveGuest(cpu, current, controls, this.host.transfers, this.host.step());
    this.tell(exit);
    state.setU32(layout.vmxNonRoot, 0);
    // What MSR areas hold is the processor's, not the guest's view.
    this.controls = NO_CONTROLS;
    const abort = storeExitMsrs(cpu, current);
    if (abort !== undefined) this.abort(current, abort);
    else this.loadHost(current, controls, nmiBlockingAfter(exit, controls, interruptibility));
  }

  private loadHost(vmcs: Vmcs, controls: ControlBits, nmiBlocking: number): void {
    const { cpu, host } = this;
    this.transitions++;
    const abort = loadHost(cpu, vmcs, controls, this.host.transfers, nmiBlocking) ?? loadExitMsrs(cpu, vmcs);
    this.controls = NO_CONTROLS;
    cpu.state.setU32(layout.trapFlagPending, 0);
    cpu.state.setU32(layout.tprExitPending, 0);
    cpu.paging.leaveSpace((controls.secondary & control.enableVpid) === 0);
    host.switched();
    // Interrupts wait for the host's IF, which is 0.
    if (cpu.state.getU32(layout.pendingNmi)) cpu.state.setU32(layout.leave, 1);
    if (abort !== undefined) this.abort(vmcs, abort);
  }

  private abort(vmcs: Vmcs, abort: VmxAbort): void {
    writeAbort(this.cpu.physical, vmcs.address, abort.indicator);
    this.host.shutDown(abort);
  }

  private tell(exit: Exit): void {
    this.lastExit = { exit, at: this.host.now() };
    this.cpu.surroundings.emit('vmexit', () => ({ ...exit, vmcs: this.pointer }), exit.reason);
  }

  // The preemption timer: counts when a bit of the TSC changes. Intel SDM vol. 3, "VMX-Preemption Timer"

  private get timerRate(): number {
    return Number((this.cpu.model.vmx?.IA32_VMX_MISC ?? 0n) & 31n);
  }
  private startTimer(value: number): void {
    const unit = 2 ** this.timerRate;
    const now = Math.floor(this.host.now() / unit);
    this.cpu.state.setF64(layout.timerDeadline, (now + value) * unit);
  }
  /** Virtual time at which the timer reaches 0; infinity where it is off. */
  get timerDeadline(): number {
    return this.controls.pin & control.preemptionTimer
      ? this.cpu.state.getF64(layout.timerDeadline)
      : Number.POSITIVE_INFINITY;
  }
  private saveTimer(vmcs: Vmcs): void {
    if (!(this.controls.exit & control.saveTimer)) return;
    const unit = 2 ** this.timerRate;
    const left = Math.max(0, this.timerDeadline / unit - Math.floor(this.host.now() / unit));
    if (vmcs.low(VMX_PREEMPTION_TIMER_VALUE) === left) return;
    vmcs.put(VMX_PREEMPTION_TIMER_VALUE, left, 0);
    this.stamp(vmcs, 'VMX_PREEMPTION_TIMER_VALUE', 'exit');
  }

  /** VMXOFF, INIT, reset: VMX operation ends; the VMCSs stay active where they are. */
  leave(): void {
    const { state } = this.cpu;
    for (const at of [layout.vmxOn, layout.vmxNonRoot, layout.vmcsSlot, layout.trapFlagPending, layout.tprExitPending])
      state.setU32(at, 0);
    this.controls = NO_CONTROLS;
  }
}
