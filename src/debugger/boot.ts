/** From a file's name and the options to a machine that stands before the program's first instruction. */

import { coreBytes } from '../machine/core/binary';
import { makeModel } from '../machine/cpu/model';
import { Machine } from '../machine/pc';
import { type Assemble, type LoadOptions, load } from '../program/load';
import { prepare } from '../program/prepare';
import { processorNamed } from '../program/processor';
import type { Files } from '../program/program';
import type { MachineSettings } from './machine-options';
import { ProgramInfo } from './program-info';

export interface Sinks {
  /** A byte that COM1 sends. */
  readonly serial: (byte: number) => void;
  /** A byte written to port 0xE9. */
  readonly console: (byte: number) => void;
}

export interface Booted {
  readonly machine: Machine;
  readonly info: ProgramInfo;
}

const PAGE = 4096;

/** @throws BadInput */
export const bootMachine = async (
  files: Files,
  path: string | null,
  settings: MachineSettings,
  sinks: Sinks,
): Promise<Booted> => {
  const { memory, cpu, cpus, tlb, featureControl, serial } = settings;
  const memoryBytes = Math.ceil(memory / PAGE) * PAGE;
  const model = makeModel(await processorNamed(files, cpu), { cpus, index: 0 });
  const program = await load(files, path, { ...loadOptions(settings), memoryBytes, assemble });
  const prepared = prepare(program, { memoryBytes });
  const machine = new Machine({
    core: coreBytes,
    memoryBytes,
    cpu: model,
    cpus,
    tlb,
    serial: serial === 'none' ? () => {} : sinks.serial,
    console: sinks.console,
    ...(featureControl === undefined ? {} : { featureControl }),
  });
  machine.load(prepared);
  // Native code lies below 1 MiB, where it is used with linear addresses that are physical ones.
  return { machine, info: new ProgramInfo(program, (address) => machine.natives.nameOf(Number(address))) };
};

/** The assembler is only loaded for source: it takes longer to start than the machine. */
const assemble: Assemble = async (source, options) => {
  const { assembleProgram } = await import('../assembler/assemble');
  return assembleProgram(source, options);
};

const loadOptions = ({
  load: at,
  entry,
  mode,
  cmdline,
  module: modules,
  initrd,
  bios,
  symbols,
  sourceMap,
}: MachineSettings): LoadOptions => ({
  ...(at === undefined ? {} : { load: at }),
  ...(entry === undefined ? {} : { entry }),
  ...(mode === undefined ? {} : { mode }),
  ...(cmdline === undefined ? {} : { commandLine: cmdline }),
  ...(modules.length === 0 ? {} : { modules }),
  ...(initrd === undefined ? {} : { initrd }),
  ...(bios === undefined ? {} : { bios }),
  symbols,
  sourceMap,
});
