/**
 * What names in expressions can mean, one row a kind, first come first served: another kind of name (the fields of a
 * VMCS) is another row. Reading has no side effect; every write is an input of the machine.
 */

import { Fault } from '../machine/core/fault';
import { CS } from '../machine/core/state';
import { hasMsr, readMsr } from '../machine/cpu/msrs';
import { registerSetters } from '../machine/input';
import type { Machine } from '../machine/pc';
import { registerLoads } from '../machine/register-loads';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { BadInput } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import { msrAt, msrs } from '../x86/msrs';
import { explain } from './explain';
import type { Value } from './expression/evaluator';
import { fieldNamesBeginning, findField, setField } from './fields/names';
import type { ProgramInfo } from './program-info';
import { naturalSize, type RegisterPlace } from './registers';
import { guestSide, type Side } from './sides';
import { exitReasonNames, isFieldName, vmcsNames } from './vmcs/names';

export interface NameSource {
  /** For what it is: in messages, and for completion. */
  readonly kind: 'register' | 'counter' | 'symbol' | 'model-specific register' | 'field' | 'VMCS field' | 'exit reason';
  /** Names that begin so, at most so many, in the order in which they are to be offered. */
  readonly beginning: (prefix: string, most: number) => readonly string[];
  readonly read: (name: string) => Value | undefined;
  /** @returns false where it has no such name @throws BadInput in one line where the value is refused */
  readonly write: (name: string, value: bigint) => boolean;
}

export interface Named {
  readonly machine: Machine;
  readonly vcpu: VirtualCpu;
  readonly info: ProgramInfo;
  readonly registers: ReadonlyMap<string, RegisterPlace>;
  /** What the stack tells of a frame further out; without it, the innermost is meant. */
  readonly frame?: OuterFrame;
}

export interface OuterFrame {
  /** Whose it is, in VMX operation. */
  readonly side?: Side | undefined;
  /** How the frame above it was entered. */
  readonly entered?: string;
  readonly address: LinearAddress;
  readonly rip: bigint;
  readonly rsp: bigint | undefined;
  readonly rbp: bigint | undefined;
}

/** The kinds of names there are, in order. */
export const nameSources = (named: Named): readonly NameSource[] => [
  ...(named.frame === undefined ? [] : [frameNames(named.frame)]),
  registerNames(named),
  counterNames(named),
  // Hypervisors define constants of these names, the encodings.
  vmcsNames(named),
  symbolNames(named),
  msrNames(named),
  partNames(named),
  exitReasonNames(named),
];

const plain = (bits: bigint): Value => ({ bits, signed: false, size: 8 });

const beginning =
  (names: readonly string[]): NameSource['beginning'] =>
  (prefix, most) => {
    const word = prefix.toLowerCase();
    return names.filter((name) => name.startsWith(word)).slice(0, most);
  };

const registerNames = ({ machine, vcpu, registers }: Named): NameSource => ({
  kind: 'register',
  beginning: beginning([...registers.keys()]),
  read: (name) => {
    const place = registers.get(name.toLowerCase());
    return place === undefined ? undefined : { bits: place.read(), signed: false, size: place.size };
  },
  write: (name, value) => {
    const place = registers.get(name.toLowerCase());
    if (place === undefined) return false;
    if (place.write === undefined) throw new BadInput(`${name} cannot be set`);
    const width = place.bits ?? place.size * 8;
    if (BigInt.asUintN(width, value) !== value && BigInt.asIntN(width, value) !== BigInt.asIntN(64, value))
      throw new BadInput(`${hex(BigInt.asUintN(64, value))} does not fit into ${name}, which has ${bitsText(width)}`);
    const written = place.write(BigInt.asUintN(64, value));
    setRegister(machine, vcpu, written.name, written.value);
    return true;
  },
});

const bitsText = (width: number): string => (width === 1 ? 'one bit' : `${width} bits`);

/** Parts of tables, page tables, TLBs and devices. */
const partNames = (named: Named): NameSource => ({
  kind: 'field',
  beginning: (prefix, most) => fieldNamesBeginning(named, prefix, most),
  read: (name) => {
    const field = findField(named, name);
    const bits = field?.read();
    if (field === undefined || bits === undefined) return undefined;
    return { bits, signed: false, size: ([1, 2, 4] as const).find((size) => field.width <= size * 8) ?? 8 };
  },
  write: (name, value) => {
    const field = findField(named, name);
    if (field === undefined) return false;
    setField(name, field, value);
    return true;
  },
});

/** The pointers of a frame further out. Its other registers are shown as they are now: nothing tells what they were. */
const frameNames = ({ rip, rsp, rbp }: OuterFrame): NameSource => {
  const pointers: Readonly<Record<string, bigint | undefined>> = { rip, rsp, rbp };
  const isPointer = (name: string): boolean => Object.hasOwn(pointers, name.toLowerCase());
  return {
    kind: 'register',
    beginning: () => [],
    read: (name) => {
      const value = isPointer(name) ? pointers[name.toLowerCase()] : undefined;
      return value === undefined ? undefined : plain(value);
    },
    write: (name) => {
      if (!isPointer(name)) return false;
      throw new BadInput(`${name} of a frame further out cannot be set`);
    },
  };
};

/** Positions in the run, which vCPU it is, and by what the guest of its current VMCS is told apart: 0 where it has none. */
const counterNames = ({ machine, vcpu }: Named): NameSource => {
  const read: Readonly<Record<string, () => number | bigint>> = {
    step: () => machine.counters.step,
    retired: () => machine.counters.retired,
    vtime: () => machine.counters.vtime,
    vcpu: () => vcpu.index,
    vpid: () => guestSide(vcpu).vpid ?? 0,
    eptp: () => guestSide(vcpu).eptPointer ?? 0n,
  };
  const find = (name: string): (() => number | bigint) | undefined =>
    Object.hasOwn(read, name.toLowerCase()) ? read[name.toLowerCase()] : undefined;
  return {
    kind: 'counter',
    beginning: beginning(Object.keys(read)),
    read: (name) => {
      const found = find(name);
      return found === undefined ? undefined : plain(BigInt(found()));
    },
    write: (name) => {
      if (find(name) === undefined) return false;
      throw new BadInput(`${name} cannot be set`);
    },
  };
};

/** The address of what runs: local labels are those of its function. */
const here = ({ vcpu: { state }, frame }: Named): LinearAddress =>
  frame?.address ?? linear(naturalSize(state) === 8 ? state.rip : state.rip + state.segmentBase(CS));

const symbolNames = (named: Named): NameSource => ({
  kind: 'symbol',
  beginning: (prefix, most) => {
    const own = prefix.startsWith('.') ? (named.info.functionAt(here(named)) ?? '') : '';
    return named.info.symbols.startingWith(own + prefix, most).map(({ name }) => name.slice(own.length));
  },
  read: (name) => {
    const address = named.info.resolve(name, here(named));
    return address === undefined ? undefined : plain(address);
  },
  write: (name) => {
    if (named.info.resolve(name, here(named)) === undefined) return false;
    if (isFieldName(name)) throw new BadInput(`${name} is only a constant of the program now: no VMCS is current`);
    throw new BadInput(`${name} is an address, which cannot be set; write [${name}] for the memory there`);
  },
});

const msrByName: ReadonlyMap<string, number> = new Map(
  Object.entries(msrs).map(([name, { address }]) => [name.toLowerCase(), address]),
);

const msrNames = ({ machine, vcpu }: Named): NameSource => ({
  kind: 'model-specific register',
  beginning: beginning([...msrByName.keys()]),
  read: (name) => {
    const address = msrByName.get(name.toLowerCase());
    const value = address === undefined ? undefined : peekMsr(vcpu, BigInt(address));
    return value === undefined ? undefined : plain(value);
  },
  write: (name, value) => {
    const address = msrByName.get(name.toLowerCase());
    if (address === undefined) return false;
    setMsr(machine, vcpu, BigInt(address), value);
    return true;
  },
});

/** Undefined where the processor has no such register. */
export const peekMsr = ({ cpu }: VirtualCpu, address: bigint): bigint | undefined =>
  address >> 32n === 0n && hasMsr(cpu, Number(address)) ? readMsr(cpu, Number(address)) : undefined;

/** @throws BadInput */
export const setMsr = (machine: Machine, vcpu: VirtualCpu, address: bigint, value: bigint): void => {
  const known = address >> 32n === 0n ? msrAt(Number(address)) : undefined;
  if (known === undefined || peekMsr(vcpu, address) === undefined)
    throw new BadInput(`there is no model-specific register ${hex(address)}`);
  setRegister(machine, vcpu, known.name.toLowerCase(), value);
};

export const setRegister = (machine: Machine, vcpu: VirtualCpu, name: string, value: bigint): void => {
  // What the processor checks when software loads it is checked here too.
  const kind = registerLoads.has(name) ? 'load' : 'register';
  if (kind === 'register' && !registerSetters.has(name)) throw new BadInput(`${name} cannot be set`);
  try {
    machine.input({ kind, vcpu: vcpu.index, name, value });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new BadInput(`${name} does not take ${hex(value)}: ${explain(error.why)}`);
  }
};
