/**
 * What a debugger wants to know of after the instruction that did it: accesses to linear or physical bytes, and values
 * that changed. Watched pages are kept out of the fast tables; a value is compared with what it was, after every
 * instruction that TypeScript executes, or after every instruction.
 */

import type { PhysicalMemory } from './core/physical';
import type { WatchHit, WatchStop } from './stop';
import type { VirtualCpu } from './virtual-cpu';

export interface WatchedBytes {
  readonly space: 'linear' | 'physical';
  readonly address: bigint;
  readonly size: number;
  readonly read: boolean;
  readonly write: boolean;
  /** Of this vCPU alone; of each without one. */
  readonly vcpu?: number | undefined;
  /** Called before the bytes are touched, instead of stopping after it; for physical ones. */
  readonly tell?: (access: 'read' | 'write', address: bigint, size: number) => void;
}

export interface WatchedValue {
  readonly read: (vcpu: number) => bigint;
  /** It may change without TypeScript: instructions are executed one by one. */
  readonly stepping: boolean;
  readonly vcpu?: number | undefined;
}

type Watched = { readonly id: number } & (WatchedBytes | WatchedValue);

const isValue = (watched: Watched): watched is { readonly id: number } & WatchedValue => 'stepping' in watched;

export class Watches {
  private readonly watched = new Map<number, Watched>();
  /** The values among them, and what each was, by vCPU. */
  private values: readonly { readonly watched: { readonly id: number } & WatchedValue; readonly before: bigint[] }[] =
    [];
  private hits: WatchHit[] = [];
  private hitBy = 0;
  private nextId = 1;
  private stepping = false;

  constructor(
    private readonly cpus: readonly VirtualCpu[],
    private readonly physical: PhysicalMemory,
    /** The run is to end after the present step. */
    private readonly leave: () => void,
    private readonly current: () => number,
  ) {
    physical.touched = (access, address, size) => this.touchedPhysical(access, BigInt(address), size);
  }

  /** @returns an id for `remove` and the stop */
  add(what: WatchedBytes | WatchedValue): number {
    const id = this.nextId++;
    this.watched.set(id, { ...what, id });
    this.arm();
    return id;
  }
  remove(id: number): void {
    this.watched.delete(id);
    this.arm();
  }

  /** Must each instruction be executed alone? */
  get mustStep(): boolean {
    return this.stepping;
  }

  /** From now on: what was done from outside is no change. */
  begin(): void {
    this.hits = [];
    for (const { watched, before } of this.values)
      for (const { index } of this.cpus) before[index] = watched.read(index);
  }

  /** What was touched since the last call. */
  take(): WatchStop | undefined {
    if (this.hits.length === 0) return undefined;
    const { hits } = this;
    this.hits = [];
    return { reason: 'watchpoint', vcpu: this.hitBy, hits };
  }

  /** Has an instruction of this vCPU changed a watched value? */
  compare(vcpu: number): void {
    for (const { watched, before } of this.values) {
      if (watched.vcpu !== undefined && watched.vcpu !== vcpu) continue;
      const old = before[vcpu];
      const now = watched.read(vcpu);
      if (old === now) continue;
      before[vcpu] = now;
      if (old !== undefined) this.hit(vcpu, { id: watched.id, access: 'change', old, now });
    }
  }

  /** Frames and fast tables follow what is watched; to be called also when memory was mapped anew. */
  arm(): void {
    const all = [...this.watched.values()];
    const values = all.filter(isValue);
    const known = new Map(this.values.map(({ watched, before }) => [watched.id, before]));
    this.values = values.map((watched) => ({ watched, before: known.get(watched.id) ?? [] }));
    this.stepping = values.some(({ stepping }) => stepping);
    const bytes = all.filter((one): one is { readonly id: number } & WatchedBytes => !isValue(one));
    this.physical.watch(new Set(bytes.filter(({ space }) => space === 'physical').flatMap(pagesOf)));
    for (const { engine, index } of this.cpus) {
      engine.afterSlow = values.length > 0 ? () => this.compare(index) : undefined;
      const own = bytes.filter(({ space, vcpu }) => space === 'linear' && (vcpu ?? index) === index);
      engine.watch(
        'debugger',
        own.map((one) => ({
          ...one,
          hit: (access, address, size) => this.hit(index, { id: one.id, access, address, size }),
        })),
      );
    }
  }

  private touchedPhysical(access: 'read' | 'write', address: bigint, size: number): void {
    for (const one of this.watched.values()) {
      if (isValue(one) || one.space !== 'physical' || !one[access]) continue;
      if (one.vcpu !== undefined && one.vcpu !== this.current()) continue;
      if (one.address >= address + BigInt(size) || one.address + BigInt(one.size) <= address) continue;
      if (one.tell !== undefined) one.tell(access, address, size);
      else this.hit(this.current(), { id: one.id, access, address, size });
    }
  }

  private hit(vcpu: number, hit: WatchHit): void {
    this.hits.push(hit);
    this.hitBy = vcpu;
    this.leave();
  }
}

const pagesOf = ({ address, size }: WatchedBytes): number[] => {
  const first = Math.floor(Number(address) / 4096);
  const last = Math.floor((Number(address) + size - 1) / 4096);
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
};
