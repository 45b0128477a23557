/**
 * A vCPU to ask "what if": the same registers and the same VMCS, but memory is only looked at, and controls, bitmaps and
 * masks can be other than they are. Nothing that is asked of it changes the machine.
 */

import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import { state as layout } from '../../machine/core/layout';
import type { CoreMemory } from '../../machine/core/memory';
import type { AccessSize, PhysicalMemory } from '../../machine/core/physical';
import { CpuState } from '../../machine/core/state';
import type { Cpu, LinearMemory } from '../../machine/cpu/cpu';
import type { ControlBits } from '../../machine/vmx/control-bits';
import type { Vmcs } from '../../machine/vmx/vmcs';
import type { Vmx } from '../../machine/vmx/vmx';
import { linear } from '../../x86/address';
import { exception } from '../../x86/exceptions';
import type { FieldName } from '../../x86/vmx/fields';
import { peekValue } from '../guest-memory';

/** What is supposed instead of what is. */
export interface Supposition {
  readonly state?: CpuState;
  readonly controls?: ControlBits;
  /** Of a field of the VMCS; undefined: as it is. */
  readonly field?: (name: FieldName) => bigint | undefined;
  /** What physical memory, such as a bitmap, holds; undefined: as it is. */
  readonly byte?: number;
  readonly linear?: LinearMemory;
  /** Gets the exit that something makes. */
  readonly exit?: (exit: Exit) => void;
}

/** An object that is another one but for some properties. */
const withChanges = <Whole extends object>(whole: Whole, changes: Partial<Record<keyof Whole, unknown>>): Whole =>
  Object.create(
    whole,
    Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, { value, enumerable: true }])),
  ) as Whole;

/** Linear memory without translations that stay, and without writes. */
const lookedAt = (cpu: Cpu): LinearMemory => ({
  read: (address, size) => {
    const value = peekValue(cpu, linear(BigInt.asUintN(64, address)), size);
    if (value === undefined) throw new Fault(exception.PF, { rule: 'walk.present', linear: address }, 0, address);
    return value;
  },
  write: () => {},
  probe: () => {},
  window: () => -1,
});

const lookedAtPhysical = (physical: PhysicalMemory, byte: number | undefined): PhysicalMemory =>
  withChanges(physical, {
    read: (address: number, size: AccessSize): bigint =>
      byte === undefined ? physical.peek(address, size) : BigInt(byte),
    write: () => {},
  });

const supposed = (vmcs: Vmcs, field: NonNullable<Supposition['field']>): Vmcs =>
  withChanges(vmcs, {
    get: (name: FieldName): bigint => field(name) ?? vmcs.get(name),
    get32: (name: FieldName): number => Number(BigInt.asUintN(32, field(name) ?? vmcs.get(name))),
  });

/** Registers to be written to without consequences. */
export const scratchOf = (state: CpuState): CpuState => {
  const words = state.memory.u32.slice(state.base >>> 2, (state.base + layout.transient) >>> 2);
  const { buffer } = words;
  const views = {
    u32: words,
    i32: new Int32Array(buffer),
    u64: new BigUint64Array(buffer),
    f64: new Float64Array(buffer),
  };
  return new CpuState(views as unknown as CoreMemory, state.index, 0);
};

/** VT-x of a vCPU under a supposition. */
export const supposing = (
  vmx: Vmx,
  { state, controls, field, byte, linear: memory, exit = () => {} }: Supposition,
): Vmx => {
  const { current } = vmx;
  const nothing = (): void => {};
  const cpu = withChanges(vmx.cpu, {
    linear: memory ?? lookedAt(vmx.cpu),
    modeChanged: nothing,
    translationsDropped: nothing,
    spaceSwitched: nothing,
    watcher: undefined,
    surroundings: withChanges(vmx.cpu.surroundings, { emit: () => {} }),
    physical: lookedAtPhysical(vmx.cpu.physical, byte),
    state: scratchOf(state ?? vmx.cpu.state),
  });
  const asked = withChanges(vmx, {
    cpu,
    nonRoot: true,
    exit,
    current: current === undefined || field === undefined ? current : supposed(current, field),
    controls: controls ?? vmx.controls,
  });
  Object.defineProperty(cpu, 'vmx', { value: asked });
  return asked;
};
