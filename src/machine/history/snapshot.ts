/** The whole machine at one step: taken, restored, and reduced to a hash. */

import { vcpu as block, state as layout } from '../core/layout';
import type { PhysicalMemory } from '../core/physical';
import { TLB_BYTES } from '../cpu/tlb';
import type { Device } from '../devices/device';
import type { VirtualCpu } from '../virtual-cpu';
import { Hash } from './hash';
import { type PageSnapshot, PageStore } from './page-store';

/** What the board keeps beside processors, memory and devices; plain numbers and bigints. */
export type BoardState = Readonly<Record<string, unknown>>;

export interface Snapshot<Board extends BoardState = BoardState> {
  readonly memory: PageSnapshot;
  /** Architectural state, XSAVE area and TLBs of each vCPU. */
  readonly cpus: readonly Uint8Array[];
  readonly devices: readonly object[];
  readonly board: Board;
  readonly a20: boolean;
}

export class Snapshots<Board extends BoardState> {
  private readonly pages: PageStore;
  /** Hashes of pages that were not written since. */
  private readonly pageHashes = new Map<number, bigint>();

  constructor(
    private readonly physical: PhysicalMemory,
    dropFast: () => void,
    frameGiven: (page: number) => void,
  ) {
    this.pages = new PageStore(physical, dropFast, frameGiven);
  }

  take(cpus: readonly VirtualCpu[], devices: readonly Device[], board: Board): Snapshot<Board> {
    for (const page of this.pages.changed) this.pageHashes.delete(page);
    return {
      memory: this.pages.take(),
      cpus: cpus.map((cpu) => this.architectural(cpu)),
      devices: devices.map((device) => structuredClone(device.state)),
      board,
      a20: this.physical.a20,
    };
  }

  restore(snapshot: Snapshot<Board>, cpus: readonly VirtualCpu[], devices: readonly Device[]): Board {
    for (const page of this.pages.restore(snapshot.memory)) this.pageHashes.delete(page);
    this.physical.setA20(snapshot.a20);
    for (const [index, cpu] of cpus.entries()) {
      const saved = snapshot.cpus[index] as Uint8Array;
      const { u8 } = cpu.state.memory;
      u8.set(saved.subarray(0, layout.transient), cpu.state.base);
      const rest = layout.transient + block.tlb + TLB_BYTES - block.xsave;
      u8.set(saved.subarray(layout.transient, rest), cpu.state.base + block.xsave);
      // VMX operation may not have begun yet when it was taken.
      const slots = cpu.state.base + block.vmcs;
      if (saved.length > rest) u8.set(saved.subarray(rest), slots);
      else u8.fill(0, slots, slots + block.vmcsSize);
      cpu.resume();
    }
    for (const [index, device] of devices.entries()) device.state = structuredClone(snapshot.devices[index] as object);
    return snapshot.board;
  }

  private architectural({ state }: VirtualCpu): Uint8Array {
    const { u8 } = state.memory;
    const rest = block.tlb + TLB_BYTES - block.xsave;
    const vmcss = state.getU32(layout.vmxUsed) ? block.vmcsSize : 0;
    const bytes = new Uint8Array(layout.transient + rest + vmcss);
    bytes.set(u8.subarray(state.base, state.base + layout.transient));
    bytes.set(u8.subarray(state.base + block.xsave, state.base + block.xsave + rest), layout.transient);
    const slots = state.base + block.vmcs;
    bytes.set(u8.subarray(slots, slots + vmcss), layout.transient + rest);
    return bytes;
  }

  /** Memory counts by content, the TLBs by what they hold, the lazy flags by their meaning. */
  hash(cpus: readonly VirtualCpu[], devices: readonly Device[], board: Board): string {
    const hash = new Hash();
    for (const { state, processor } of cpus) {
      const { u8 } = state.memory;
      const lazy = layout.result;
      hash.bytes(u8.subarray(state.base, state.base + layout.ipBase));
      hash.bytes(u8.subarray(state.base + layout.segmentBase, state.base + lazy));
      hash.number(state.rflags);
      hash.bytes(u8.subarray(state.base + layout.cpl, state.base + layout.transient));
      if (state.getU32(layout.vmxUsed))
        hash.bytes(u8.subarray(state.base + block.vmcs, state.base + block.vmcs + block.vmcsSize));
      hash.words(processor.paging.tlb.canonical());
    }
    for (const device of devices) hash.value(device.state);
    hash.value(board);
    hash.number(this.physical.a20 ? 1 : 0);
    for (const page of this.pages.touched()) {
      let own = this.pageHashes.get(page);
      if (own === undefined || this.pages.changed.has(page)) {
        own = this.pages.hash(page);
        this.pageHashes.set(page, own);
      }
      if (own !== 0n) {
        hash.number(page);
        hash.big(own);
      }
    }
    return hash.digest();
  }
}
