/**
 * Tells of writes to the entries of paging structures through which certain linear addresses are translated, whoever
 * writes: at any level, in the address space that each vCPU is in. Where an entry leads elsewhere afterwards, the
 * entries below it are other ones. Bits that only say "accessed" or "dirty" do not count: processors set them all the time.
 */

import type { MachineEvent } from './core/event';
import type { PhysicalMemory } from './core/physical';
import { explainWalk } from './cpu/look';
import { pagingMode } from './cpu/page-walk';
import type { VirtualCpu } from './virtual-cpu';
import type { Watches } from './watches';

type Position = Pick<MachineEvent, 'step' | 'vcpu' | 'rip' | 'at'>;
export type EntryWrite = Omit<MachineEvent & { readonly kind: 'pte' }, 'kind' | keyof Position>;

interface Entry {
  readonly address: bigint;
  readonly level: EntryWrite['level'];
  readonly entryAddress: bigint;
  readonly size: 4 | 8;
  /** As it was when it was last looked at. */
  before: bigint;
  readonly watch: number;
}

/** Accessed and dirty. Intel SDM vol. 3, "Accessed and Dirty Flags". */
const MARKS = 0x60n;

export class EntryWatch {
  private readonly wanted = new Map<bigint, number>();
  private entries = new Map<string, Entry>();
  /** Where the first write since the last look was made. */
  private written: Position | undefined;
  private moved = false;

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly physical: PhysicalMemory,
    private readonly watches: Watches,
    private readonly position: () => Position,
    private readonly leave: () => void,
    private readonly tell: (position: Position, write: EntryWrite) => void,
  ) {}

  /** Until the returned function is called. */
  watch(address: bigint): () => void {
    this.wanted.set(address, (this.wanted.get(address) ?? 0) + 1);
    this.follow();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = (this.wanted.get(address) ?? 1) - 1;
      if (left > 0) this.wanted.set(address, left);
      else this.wanted.delete(address);
      this.follow();
    };
  }

  /** A run begins: what was done from outside is no write of the machine's. */
  begin(): void {
    if (this.wanted.size === 0) return;
    this.written = undefined;
    this.follow();
  }

  /** To be called between steps. */
  settle(): void {
    if (!this.moved && this.written === undefined) return;
    const { written } = this;
    this.written = undefined;
    if (written !== undefined) for (const entry of this.entries.values()) this.compare(entry, written);
    this.follow();
  }

  private compare(entry: Entry, written: Position): void {
    const { address, level, entryAddress, size, before } = entry;
    const after = this.physical.peek(Number(entryAddress), size);
    entry.before = after;
    if (before === after || (before | MARKS) === (after | MARKS)) return;
    this.tell(written, { address, level, entryAddress, before, after });
  }

  /** Other tables may be in force, or other entries lie on the way. */
  private follow(): void {
    this.moved = false;
    const now = new Map<string, Entry>();
    for (const address of this.wanted.keys())
      for (const vcpu of this.cpus)
        for (const { level, entryPhysical: entryAddress } of explainWalk(vcpu.cpu, address)) {
          const key = `${address} ${entryAddress}`;
          const old = this.entries.get(key);
          const size = pagingMode(vcpu.state) === '32-bit' ? 4 : 8;
          const before = this.physical.peek(Number(entryAddress), size);
          const watch = old?.watch ?? this.arm(entryAddress, size);
          now.set(key, { address, level, entryAddress, size, before, watch });
        }
    for (const [key, { watch }] of this.entries) if (!now.has(key)) this.watches.remove(watch);
    this.entries = now;
    for (const vcpu of this.cpus) vcpu.onSpaceChange = this.wanted.size > 0 ? () => this.spaceChanged() : undefined;
  }

  private arm(address: bigint, size: number): number {
    const tell = (): void => {
      this.written ??= this.position();
      this.leave();
    };
    return this.watches.add({ space: 'physical', address, size, read: false, write: true, tell });
  }

  private spaceChanged(): void {
    this.moved = true;
    this.leave();
  }
}
