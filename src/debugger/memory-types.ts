/** Memory types in words, and where EPT's and the MTRRs' differ. */

import type { Cpu } from '../machine/cpu/cpu';
import { memoryType, mtrrRanges } from '../machine/cpu/memory-types';
import { hex } from '../x86/address';

const names: ReadonlyMap<number, string> = new Map(Object.entries(memoryType).map(([name, type]) => [type, name]));

export const memoryTypeText = (type: number): string => names.get(type) ?? `type ${type}`;

/** Ranges that are listed. */
const LISTED = 3;

/**
 * Where the MTRRs give physical memory another type than EPT does: ` where the MTRRs say UC (0x500000-0x500fff)`; nothing where
 * they agree or are off. Under EPT its type counts and the MTRRs do not. Intel SDM vol. 3, "EPT and Memory Typing".
 */
export const typeDispute = (cpu: Cpu, physical: number, bytes: number, type: number): string => {
  const others = mtrrRanges(cpu, physical, physical + bytes).filter((range) => range.type !== type);
  const listed = others.slice(0, LISTED).map(({ from, to, type: other }) => {
    const said = other === undefined ? 'types that do not go together' : memoryTypeText(other);
    return `${said} (${hex(from)}-${hex(to - 1)})`;
  });
  if (listed.length === 0) return '';
  return ` where the MTRRs say ${listed.join(', ')}${others.length > LISTED ? ' and more' : ''}`;
};
