/** What an EPT maps, as ranges of guest-physical addresses: neighbours with the same rights and type are one range. */

import type { Cpu } from '../../machine/cpu/cpu';
import { EptWalk, type Misconfiguration } from '../../machine/cpu/ept';

export interface EptRange {
  /** Guest-physical; the last byte's address is `to - 1`. */
  readonly from: number;
  readonly to: number;
  readonly physical: number;
  /** Bits as in an EPT entry: 1 read, 2 write, 4 execute. */
  readonly rights: number;
  readonly memoryType: number;
  /** An entry that is illegal: every access exits by EPT misconfiguration. */
  readonly misconfigured?: Misconfiguration;
}

/** Four levels translate 48 bits. */
const END = 2 ** 48;
const LEVELS = 4;

/** Bytes for which the entry stands at which a walk of so many levels ended. */
const reach = (depth: number): number => 2 ** (12 + 9 * (LEVELS - depth));

const continues = (range: EptRange, next: EptRange): boolean =>
  range.rights === next.rights &&
  range.memoryType === next.memoryType &&
  range.misconfigured === next.misconfigured &&
  (next.misconfigured !== undefined || range.physical + (range.to - range.from) === next.physical);

/** In order from a guest-physical address on; nothing is marked as accessed. */
export function* eptRanges({ physical, model }: Cpu, pointer: bigint, start = 0): Generator<EptRange> {
  const walk = new EptWalk(physical, model, true);
  walk.select(pointer);
  let open: EptRange | undefined;
  for (let from = start; from < END; ) {
    const at = walk.translate(from, 0);
    const { misconfigured, rights, memoryType } = walk;
    const size = at < 0 ? reach(walk.depth) : walk.size;
    const to = from - (from % size) + size;
    const next =
      misconfigured !== undefined
        ? { from, to, physical: 0, rights: 0, memoryType: 0, misconfigured }
        : at < 0 || rights === 0
          ? undefined
          : { from, to, physical: at, rights, memoryType };
    if (open !== undefined && next !== undefined && continues(open, next)) open = { ...open, to };
    else {
      if (open !== undefined) yield open;
      open = next;
    }
    from = to;
  }
  if (open !== undefined) yield open;
}
