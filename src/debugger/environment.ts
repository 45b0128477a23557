/** The names and memory of one vCPU as expressions see them, with edits going through the machine's input log. */

import type { Machine } from '../machine/pc';
import type { VirtualCpu } from '../machine/virtual-cpu';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import { vmcsFields } from '../x86/vmx/fields';
import { placeText, type Space } from './address';
import type { Environment, ExpressionFunction, Places, Value } from './expression/evaluator';
import type { MemorySpace } from './expression/syntax';
import { absenceOf } from './fields/names';
import { bytesOf, littleEndian, peekSpace, peekValue, readableRuns } from './guest-memory';
import { type NameSource, nameSources, type OuterFrame, peekMsr, setMsr } from './name-sources';
import type { ProgramInfo } from './program-info';
import { naturalSize, type RegisterPlace, registerPlaces } from './registers';
import { absenceOfField } from './vmcs/names';

/** Physical addresses end here; beyond there is nothing on this board. */
const PHYSICAL_END = 1n << 52n;

export class VcpuEnvironment implements Environment, Places {
  readonly registers: ReadonlyMap<string, RegisterPlace>;
  /** What names can mean, in order. */
  readonly sources: readonly NameSource[];
  readonly functions: ReadonlyMap<string, ExpressionFunction>;
  private readonly machine: Machine;
  private readonly vcpu: VirtualCpu;
  private readonly info: ProgramInfo;

  constructor(
    machine: Machine,
    vcpu: VirtualCpu,
    info: ProgramInfo,
    functions: ReadonlyMap<string, ExpressionFunction> = new Map(),
    frame?: OuterFrame,
  ) {
    this.machine = machine;
    this.vcpu = vcpu;
    this.registers = registerPlaces(vcpu.state, () => vcpu.cpu.surroundings.apic.taskPriority());
    this.info = info;
    this.sources = nameSources({
      machine,
      vcpu,
      info,
      registers: this.registers,
      ...(frame === undefined ? {} : { frame }),
    });
    this.functions = functions;
  }

  /** The same, seen from a frame further out. */
  inFrame(frame: OuterFrame): VcpuEnvironment {
    return new VcpuEnvironment(this.machine, this.vcpu, this.info, this.functions, frame);
  }

  get natural(): 2 | 4 | 8 {
    return naturalSize(this.vcpu.state);
  }

  name(name: string, symbolOnly: boolean): Value | undefined {
    for (const source of this.sources) {
      const value = symbolOnly && source.kind !== 'symbol' ? undefined : source.read(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  absent(name: string): string | undefined {
    const owner = { machine: this.machine, vcpu: this.vcpu };
    return absenceOf(owner, name) ?? absenceOfField(owner, name);
  }

  setName(name: string, value: bigint): void {
    if (!this.sources.some((source) => source.write(name, value)))
      throw new BadInput(this.absent(name) ?? `there is no register \`${name}\``);
  }

  read(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8): bigint | undefined {
    if (space === 'msr') return peekMsr(this.vcpu, address);
    if (space === 'linear') return peekValue(this.vcpu.cpu, linear(address), size);
    const bytes = peekSpace(this.vcpu.cpu, space, address, size);
    return bytes.length < size ? undefined : littleEndian(bytes);
  }

  /** Bytes from an address up to the first that is not there. */
  readBytes(space: Space, address: bigint, length: number): Uint8Array {
    return peekSpace(this.vcpu.cpu, space, address, length);
  }

  write(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    if (space === 'msr') setMsr(this.machine, this.vcpu, address, value);
    else this.writeBytes(space, address, bytesOf(BigInt.asUintN(size * 8, value), size));
  }

  /** Writes guest memory, ROM included. @throws BadInput where a byte of it is not mapped; then nothing is written */
  writeBytes(space: Space, address: bigint, bytes: Uint8Array): void {
    const beyond = (space === 'phys' || space === 'gpa') && address + BigInt(bytes.length) > PHYSICAL_END;
    if (beyond) throw new BadInput(`physical addresses end at ${hex(PHYSICAL_END)}`);
    const runs = readableRuns(this.vcpu.cpu, space, address, bytes.length);
    const mapped = runs.reduce((sum, { length }) => sum + length, 0);
    if (mapped < bytes.length) {
      let reached = 0;
      for (const run of runs) if (run.offset === reached) reached += run.length;
      throw new BadInput(
        `nothing is mapped at ${placeText({ space, address: BigInt.asUintN(64, address + BigInt(reached)) })}`,
      );
    }
    for (const { offset, physical, length } of runs)
      this.machine.input({ kind: 'memory', physical, bytes: [...bytes.subarray(offset, offset + length)] });
  }
}

/** What a frame of a guest sees that waits while its hypervisor runs. Its registers are fields of the VMCS, and set there. */
export class WaitingEnvironment extends VcpuEnvironment {
  override setName(name: string, value: bigint): void {
    const source = this.sources.find(({ read }) => read(name) !== undefined);
    if (source?.kind === 'VMCS field') {
      source.write(name, value);
      return;
    }
    const upper = name.toUpperCase();
    const field = [`GUEST_${upper}`, `GUEST_${upper}_SELECTOR`].find((one) => Object.hasOwn(vmcsFields, one));
    throw new BadInput(
      field === undefined
        ? `${name} cannot be set from a frame of the guest`
        : `${name} of the guest is in its VMCS: set ${field}`,
    );
  }

  override write(space: MemorySpace, address: bigint, size: 1 | 2 | 4 | 8, value: bigint): void {
    if (space === 'msr') throw new BadInput('MSRs cannot be set from a frame of the guest');
    super.write(space, address, size, value);
  }
}
