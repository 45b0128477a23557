/** Whether a program fits the machine's memory: its segments in RAM, and clear of what the boot contract puts there. */

import { hex } from '../x86/address';
import { BIOS_DATA_END, CONTRACT_START } from './boot-state';
import { EXTENDED_BIOS_DATA, LARGEST_MEMORY, LOW_MEMORY_END, MIB, SMALLEST_MEMORY } from './memory-map';
import { BadInput, type Program, type Segment } from './program';

interface Area {
  readonly from: number;
  /** The first byte after it. */
  readonly to: number;
}

/** Low memory that a program of each kind may load into; above 1 MiB all RAM is its own. */
const lowAreas: Readonly<Record<Program['start']['kind'], Area>> = {
  direct: { from: BIOS_DATA_END, to: CONTRACT_START },
  multiboot: { from: BIOS_DATA_END, to: EXTENDED_BIOS_DATA },
  'boot-sector': { from: BIOS_DATA_END, to: CONTRACT_START },
  reset: { from: 0, to: LOW_MEMORY_END },
};

/** @throws BadInput when a segment or the entry lies outside the RAM that the program may use. */
export function checkFits(program: Program, memoryBytes: number): void {
  if (!(memoryBytes >= SMALLEST_MEMORY && memoryBytes <= LARGEST_MEMORY && memoryBytes % 4096 === 0)) {
    throw new BadInput(`memory of ${memoryBytes} bytes: must be a multiple of 4 KiB, from 1M to 2048M`);
  }
  const areas = [lowAreas[program.start.kind], { from: MIB, to: memoryBytes }];
  for (const [index, segment] of program.segments.entries()) {
    if (!areas.some((area) => holds(area, segment))) throw misfit(program, index, segment, areas, memoryBytes);
  }
  checkEntry(program, memoryBytes);
}

const holds = ({ from, to }: Area, { physical: base, size }: Segment): boolean =>
  base >= BigInt(from) && base + BigInt(size) <= BigInt(to);

function misfit(
  program: Program,
  index: number,
  segment: Segment,
  areas: readonly Area[],
  memoryBytes: number,
): BadInput {
  const end = segment.physical + BigInt(segment.size);
  const where = `segment ${index}, ${hex(segment.physical)}-${hex(end - 1n)}`;
  if (end > BigInt(memoryBytes) && segment.physical >= BigInt(MIB)) {
    const cure = end <= BigInt(LARGEST_MEMORY) ? `give --memory ${mebibytes(end)}` : 'load it lower';
    return new BadInput(`${program.name}: ${where}, is outside the ${size(memoryBytes)} of RAM; ${cure}`);
  }
  const free = areas.filter((area) => area.to > area.from).map((area) => `${hex(area.from)}-${hex(area.to - 1)}`);
  return new BadInput(
    `${program.name}: ${where}, overlaps memory that is not the program's; load it in ${free.join(' or ')}`,
  );
}

function checkEntry({ name, start }: Program, memoryBytes: number): void {
  if (start.kind !== 'direct' && start.kind !== 'multiboot') return;
  const limit = start.kind === 'direct' && start.bits === 16 ? MIB : memoryBytes;
  if (start.entry >= BigInt(limit)) {
    const why = limit === memoryBytes ? `outside the ${size(memoryBytes)} of RAM` : 'not reachable in real mode';
    throw new BadInput(`${name}: the entry ${hex(start.entry)} is ${why}; it must be below ${hex(limit)}`);
  }
}

/** Rounded up to whole MiB, as `--memory` takes it. */
const mebibytes = (end: bigint): string => `${(end + BigInt(MIB) - 1n) / BigInt(MIB)}M`;
const size = (bytes: number): string => (bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes / 1024} KiB`);
