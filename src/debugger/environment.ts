/** The names and memory of one vCPU as expressions see them, with edits going through the machine's input log. */

import { Fault } from '../machine/core/fault';
import { CS } from '../machine/core/state';
import { hasMsr, readMsr } from '../machine/cpu/msrs';
import { registerSetters } from '../machine/input';
import type { Machine } from '../machine/pc';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import { msrAt, msrs } from '../x86/msrs';
import { explain } from './explain';
import type { Environment, Places, Value } from './expression/evaluator';
import type { MemorySpace } from './expression/syntax';
import { bytesOf, mappedRuns, peekPhysical, peekValue } from './guest-memory';
import type { ProgramInfo } from './program-info';
import { naturalSize, type RegisterPlace, registerPlaces } from './registers';

const msrByName: ReadonlyMap<string, number> = new Map(
  Object.entries(msrs).map(([name, { address }]) => [name.toLowerCase(), address]),
);

/** Physical addresses end here; beyond there is nothing on this board. */
const PHYSICAL_END = 1n << 52n;

export class VcpuEnvironment implements Environment, Places {
  readonly registers: ReadonlyMap<string, RegisterPlace>;
  private readonly machine: Machine;
  private readonly vcpu: VirtualCpu;
  private readonly info: ProgramInfo;

  constructor(machine: Machine, vcpu: VirtualCpu, info: ProgramInfo) {
    this.machine = machine;
    this.vcpu = vcpu;
    this.info = info;
    this.registers = registerPlaces(vcpu.state, () => vcpu.cpu.surroundings.apic.taskPriority());
  }

  get natural(): 2 | 4 | 8 {
    return naturalSize(this.vcpu.state);
  }

  name(name: string, symbolOnly: boolean): Value | undefined {
    if (!symbolOnly) {
      const word = name.toLowerCase();
      const place = this.registers.get(word);
      if (place !== undefined) return { bits: place.read(), signed: false, size: place.size };
      const counter = this.counter(word);
      if (counter !== undefined) return { bits: counter, signed: false, size: 8 };
    }
    const symbol = this.info.resolve(name, this.here);
    if (symbol !== undefined) return { bits: symbol, signed: false, size: 8 };
    const msr = symbolOnly ? undefined : msrByName.get(name.toLowerCase());
    const value = msr === undefined ? undefined : this.msr(BigInt(msr));
    return value === undefined ? undefined : { bits: value, signed: false, size: 8 };
  }

  read(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8): bigint | undefined {
    if (space === 'msr') return this.msr(address);
    if (space === 'linear') return peekValue(this.vcpu.cpu, linear(address), size);
    return address + BigInt(size) > PHYSICAL_END
      ? undefined
      : peekPhysical(this.machine.physical, Number(address), size);
  }

  setName(name: string, value: bigint): void {
    const word = name.toLowerCase();
    const place = this.registers.get(word);
    if (place === undefined) {
      const msr = msrByName.get(word);
      if (msr !== undefined) this.setMsr(BigInt(msr), value);
      else if (this.info.resolve(name, this.here) !== undefined)
        throw new BadInput(`${name} is an address, which cannot be set; write [${name}] for the memory there`);
      else throw new BadInput(`there is no register \`${name}\``);
      return;
    }
    if (place.write === undefined) throw new BadInput(`${name} cannot be set`);
    const width = place.bits ?? place.size * 8;
    if (BigInt.asUintN(width, value) !== value && BigInt.asIntN(width, value) !== BigInt.asIntN(64, value))
      throw new BadInput(`${hex(BigInt.asUintN(64, value))} does not fit into ${name}, which has ${bitsText(width)}`);
    const written = place.write(BigInt.asUintN(64, value));
    this.setRegister(written.name, written.value);
  }

  write(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    if (space === 'msr') this.setMsr(address, value);
    else this.writeBytes(space, address, bytesOf(BigInt.asUintN(size * 8, value), size));
  }

  /** Writes guest memory, ROM included. @throws BadInput where a byte of it is not mapped; then nothing is written */
  writeBytes(space: 'linear' | 'physical', address: bigint, bytes: Uint8Array): void {
    const runs =
      space === 'physical'
        ? [{ offset: 0, physical: Number(address), length: bytes.length }]
        : mappedRuns(this.vcpu.cpu, linear(address), bytes.length);
    const mapped = runs.reduce((sum, { length }) => sum + length, 0);
    if (mapped < bytes.length) {
      let end = 0;
      for (const run of runs) if (run.offset === end) end += run.length;
      throw new BadInput(`nothing is mapped at ${hex(BigInt.asUintN(64, address + BigInt(end)))}`);
    }
    for (const { offset, physical, length } of runs)
      this.machine.input({ kind: 'memory', physical, bytes: [...bytes.subarray(offset, offset + length)] });
  }

  /** The address of what runs: for local labels. */
  private get here() {
    const { state } = this.vcpu;
    return linear(this.natural === 8 ? state.rip : state.rip + state.segmentBase(CS));
  }

  private counter(word: string): bigint | undefined {
    const { step, retired, vtime } = this.machine.counters;
    const counters: Readonly<Record<string, number>> = { step, retired, vtime, vcpu: this.vcpu.index };
    const value = Object.hasOwn(counters, word) ? counters[word] : undefined;
    return value === undefined ? undefined : BigInt(value);
  }

  private msr(address: bigint): bigint | undefined {
    const { cpu } = this.vcpu;
    return address >> 32n === 0n && hasMsr(cpu, Number(address)) ? readMsr(cpu, Number(address)) : undefined;
  }

  private setMsr(address: bigint, value: bigint): void {
    const known = address >> 32n === 0n ? msrAt(Number(address)) : undefined;
    if (known === undefined || this.msr(address) === undefined)
      throw new BadInput(`there is no model-specific register ${hex(address)}`);
    this.setRegister(known.name.toLowerCase(), value);
  }

  private setRegister(name: string, value: bigint): void {
    if (!registerSetters.has(name)) throw new BadInput(`${name} cannot be set`);
    try {
      this.machine.input({ kind: 'register', vcpu: this.vcpu.index, name, value });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new BadInput(`${name} does not take ${hex(value)}: ${explain(error.why)}`);
    }
  }
}

const bitsText = (width: number): string => (width === 1 ? 'one bit' : `${width} bits`);
