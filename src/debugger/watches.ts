/**
 * Data breakpoints: bytes that are read, written or changed, in linear or physical memory, and registers that change.
 * The machine tells of every access; what stops is decided here, by the values before and after.
 */

import type { Machine } from '../machine/pc';
import type { WatchHit, WatchStop } from '../machine/stop';
import { BadInput } from '../program/program';
import { linear } from '../x86/address';
import { msrs } from '../x86/msrs';
import type { Place } from './address';
import type { VcpuEnvironment } from './environment';
import { peekLinear } from './guest-memory';
import { Trigger, type TriggerHost, type TriggerOptions } from './trigger';

export type WatchAccess = 'read' | 'write' | 'both' | 'change';

/** Bytes somewhere, or a register by its name in expressions; of one vCPU or, without one, of each. */
export type WatchTarget =
  | { readonly place: Place; readonly size: number }
  | { readonly register: string; readonly vcpu?: number | undefined };

export interface Watch extends TriggerOptions {
  readonly id: number;
  readonly target: WatchTarget;
  readonly access: WatchAccess;
  readonly hits: number;
  /** Every instruction is executed alone and compared: that takes some hundred times as long. */
  readonly stepping: boolean;
}

/** What was done to what is watched. `old` and `now` have up to eight bytes. */
export interface Watched {
  readonly id: number;
  readonly target: WatchTarget;
  readonly access: 'read' | 'write' | 'change';
  /** Where the access began, for bytes. */
  readonly place?: Place;
  readonly size: number;
  readonly old: bigint;
  readonly now: bigint;
}

interface Armed {
  readonly watch: Watch;
  readonly trigger: Trigger;
  readonly machine: number;
  /** The bytes as they were. */
  before: Uint8Array;
}

export interface WatchesHost extends Omit<TriggerHost, 'log' | 'problem'> {
  readonly environment: (vcpu: number) => VcpuEnvironment;
  readonly note: (text: string, watch: Watch) => void;
}

/** Longest range that is watched: its bytes are compared at each access. */
const LONGEST = 1 << 20;

/** Names that a condition has besides those of every expression. */
const FIELDS = ['old', 'new'] as const;

/** Registers that nothing but TypeScript changes: looked at only after what it executes. */
const slowRegisters: ReadonlySet<string> = new Set([
  ...['cr0', 'cr3', 'cr4', 'efer', 'gdtr', 'idtr', 'gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit'],
  ...[0, 1, 2, 3, 6, 7].map((n) => `dr${n}`),
  ...['tr', 'ldtr'].flatMap((name) => [name, `${name}.selector`, `${name}.base`, `${name}.limit`, `${name}.access`]),
]);
/** These change with time, or with instructions that the core executes alone. */
const fastMsrs: ReadonlySet<string> = new Set([
  ...['ia32_time_stamp_counter', 'ia32_tsc_deadline', 'ia32_fs_base', 'ia32_gs_base', 'ia32_kernel_gs_base'],
]);
const msrNames: ReadonlySet<string> = new Set(Object.keys(msrs).map((name) => name.toLowerCase()));

/** Can a register change without TypeScript? */
const mustStep = (register: string): boolean => {
  const name = register.toLowerCase();
  const [whole = name] = name.split('.');
  if (slowRegisters.has(name) || slowRegisters.has(whole)) return false;
  return !msrNames.has(name) || fastMsrs.has(name);
};

export class Watches {
  /** What led to the last stop. */
  hit: readonly Watched[] = [];
  private readonly armed = new Map<number, Armed>();
  private readonly machine: Machine;
  private readonly host: WatchesHost;

  constructor(machine: Machine, host: WatchesHost) {
    this.machine = machine;
    this.host = host;
    machine.confirmWatch = (stop) => this.confirm(stop);
  }

  /** @throws BadInput */
  add(id: number, target: WatchTarget, access: WatchAccess, options: TriggerOptions): Watch {
    const { host } = this;
    const stepping = 'register' in target && mustStep(target.register);
    const trigger: Trigger = new Trigger(
      options,
      {
        conditions: host.conditions,
        log: (text) => host.note(text, watch),
        problem: (text) => host.note(text, watch),
      },
      FIELDS,
    );
    const watch: Watch = {
      ...options,
      id,
      target,
      access,
      stepping,
      get hits() {
        return trigger.hits;
      },
    };
    const machine = options.enabled === false ? 0 : this.arm(target, access, stepping);
    this.remove(id);
    this.armed.set(id, { watch, trigger, machine, before: this.bytes(target, this.machine.current) });
    return watch;
  }

  /** @returns whether there was one */
  remove(id: number): boolean {
    const found = this.armed.get(id);
    if (found === undefined) return false;
    this.machine.watches.remove(found.machine);
    return this.armed.delete(id);
  }

  list(): Watch[] {
    return [...this.armed.values()].map(({ watch }) => watch);
  }

  /** What happens outside of a run is no change. */
  begin(): void {
    this.hit = [];
    for (const one of this.armed.values()) one.before = this.bytes(one.watch.target, this.machine.current);
  }

  /** Counts start again. */
  restart(): void {
    for (const { trigger } of this.armed.values()) trigger.hits = 0;
  }

  /** @throws BadInput */
  private arm(target: WatchTarget, access: WatchAccess, stepping: boolean): number {
    const { watches } = this.machine;
    if ('register' in target) {
      const { register, vcpu } = target;
      if (access !== 'write' && access !== 'change')
        throw new BadInput(`${register}: a register is watched for changes, not for being read`);
      if (this.host.environment(vcpu ?? 0).name(register, false) === undefined)
        throw new BadInput(`there is no register \`${register}\` to watch`);
      const readers = this.machine.cpus.map(({ index }) => this.reader(register, index));
      const read = (index: number) => readers[index]?.() ?? 0n;
      return watches.add({ read, stepping, vcpu });
    }
    const { place, size } = target;
    if (!Number.isInteger(size) || size < 1 || size > LONGEST)
      throw new BadInput(`${size} bytes cannot be watched; 1 to ${LONGEST} can`);
    return watches.add({
      space: place.space === 'linear' ? 'linear' : 'physical',
      address: place.address,
      size,
      read: access === 'read' || access === 'both',
      write: access !== 'read',
      vcpu: place.vcpu,
    });
  }

  /** Asked after every instruction at times: what is named is looked for once. */
  private reader(register: string, vcpu: number): () => bigint {
    const environment = this.host.environment(vcpu);
    return (
      environment.registers.get(register.toLowerCase())?.read ?? (() => environment.name(register, false)?.bits ?? 0n)
    );
  }

  /** Judges everything that one instruction touched. */
  private confirm({ vcpu, hits }: WatchStop): boolean {
    const wanted: Watched[] = [];
    for (const [id, one] of this.armed) {
      const own = hits.filter((hit) => hit.id === one.machine);
      const [first] = own;
      if (first === undefined) continue;
      const watched = this.compared(one, own.find(({ access }) => access !== 'read') ?? first, vcpu);
      if (watched === undefined || !one.trigger.isHit(vcpu, [watched.old, watched.now])) continue;
      wanted.push(watched);
      if (one.watch.temporary) this.remove(id);
    }
    if (wanted.length === 0) return false;
    this.hit = wanted;
    return true;
  }

  /** Undefined where only changes count and there is none. */
  private compared(one: Armed, hit: WatchHit, vcpu: number): Watched | undefined {
    const { id, target, access } = one.watch;
    if ('register' in target) return { id, target, access: 'change', size: 8, old: hit.old ?? 0n, now: hit.now ?? 0n };
    const { before } = one;
    const now = this.bytes(target, vcpu);
    one.before = now;
    const changed = now.length !== before.length || now.some((byte, n) => byte !== before[n]);
    if (access === 'change' && !changed) return undefined;
    const place = { ...target.place, address: hit.address ?? target.place.address };
    // Of a longer range, the eight bytes that were touched.
    const from = Number(BigInt.asIntN(64, place.address - target.place.address));
    const start = target.size <= 8 ? 0 : Math.max(0, Math.min(from, target.size - 8));
    return {
      ...{ id, target, access: access === 'change' ? 'change' : hit.access, place },
      ...{ size: Math.min(target.size, 8), old: numberAt(before, start), now: numberAt(now, start) },
    };
  }

  private bytes(target: WatchTarget, vcpu: number): Uint8Array {
    if ('register' in target) return new Uint8Array(0);
    const { place, size } = target;
    if (place.space !== 'linear') return this.machine.physical.peekBytes(Number(place.address), size);
    const cpu = this.machine.cpus[place.vcpu ?? vcpu]?.cpu;
    return cpu === undefined ? new Uint8Array(0) : peekLinear(cpu, linear(place.address), size);
  }
}

const numberAt = (bytes: Uint8Array, start: number): bigint =>
  bytes.subarray(start, start + 8).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
