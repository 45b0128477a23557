/** A guest for a test: assembly text, assembled in process, started by the boot contract, run to its end. */

import { assembleProgram } from '../src/assembler/assemble';
import { coreBytes } from '../src/machine/core/binary';
import type { EventKind, MachineEvent } from '../src/machine/core/event';
import { Machine, type MachineOptions } from '../src/machine/pc';
import type { Stop } from '../src/machine/stop';
import { MemoryFiles } from '../src/program/files-memory';
import { type LoadOptions, load } from '../src/program/load';
import { prepare } from '../src/program/prepare';
import type { Program } from '../src/program/program';

export class Guest {
  readonly machine: Machine;
  output = '';
  readonly events: MachineEvent[] = [];

  constructor(
    readonly program: Program,
    options: Partial<MachineOptions> = {},
    record: readonly EventKind[] = [],
  ) {
    this.machine = new Machine({
      core: coreBytes,
      memoryBytes: 16 * 1024 * 1024,
      serial: (byte) => {
        this.output += String.fromCharCode(byte);
      },
      ...options,
    });
    if (record.length > 0) this.machine.events.on(record, (event) => this.events.push(event));
    this.machine.load(prepare(program, { memoryBytes: this.machine.memoryBytes }));
  }

  /** Runs at most `steps` steps. */
  run(steps = 10_000_000): Stop {
    return this.machine.run(steps);
  }

  /** Register of vCPU 0 by number. */
  gpr(register: number): bigint {
    return (this.machine.cpus[0] as Machine['cpus'][0]).state.gpr(register);
  }
  /** Memory by physical address, little-endian. */
  memory(address: number | bigint, size: 1 | 2 | 4 | 8): bigint {
    return this.machine.physical.peek(Number(address), size);
  }
  get rip(): bigint {
    return (this.machine.cpus[0] as Machine['cpus'][0]).state.rip;
  }
  /** The traps so far, as far as `record` names them. */
  get faults(): Extract<MachineEvent, { kind: 'trap' }>[] {
    return this.events.filter((event) => event.kind === 'trap');
  }
  /** Value of a label. */
  symbol(name: string): bigint {
    const found = this.program.symbols.find((symbol) => symbol.name === name);
    if (!found) throw new Error(`no symbol ${name}`);
    return found.address;
  }
}

export const assemble = (source: string): Program => assembleProgram(source, { file: 'guest.asm' });

export const boot = (
  source: string,
  options: Partial<MachineOptions> = {},
  record: readonly EventKind[] = ['trap'],
): Guest => new Guest(assemble(source), options, record);

/** As the command line starts a file: its kind is told by its name and content, with the options of the boot contract. */
export const bootFile = async (
  path: string,
  content: string | Uint8Array,
  {
    machine = {},
    record = ['trap'],
    files = {},
    ...how
  }: Omit<LoadOptions, 'assemble' | 'memoryBytes'> & {
    readonly machine?: Partial<MachineOptions>;
    readonly record?: readonly EventKind[];
    /** Further files, by name. */
    readonly files?: Readonly<Record<string, string | Uint8Array>>;
  } = {},
): Promise<Guest> => {
  const disk = new MemoryFiles({ ...files, [path]: content });
  return new Guest(await load(disk, path, { ...how, assemble: assembleProgram }), machine, record);
};
