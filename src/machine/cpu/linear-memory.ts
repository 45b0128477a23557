/** Linear memory for the slow paths: accesses that cross pages, with the rights of the program or of the processor. */

import { CR0, EFER } from '../../x86/control-registers';
import { access, CODE_LINES, frame as frameBits, state } from '../core/layout';
import type { AccessSize } from '../core/physical';
import type { Cpu, LinearMemory, Privilege } from './cpu';
import { type AccessKind, type Accessor, accessor, type Paging } from './paging';

const MASK32 = 0xffffffffn;

export class PagedMemory implements LinearMemory {
  constructor(
    private readonly cpu: Cpu,
    private readonly paging: Paging,
  ) {}

  read(address: bigint, size: AccessSize, privilege: Privilege = 'current'): bigint {
    const { physical } = this.cpu;
    const room = 4096 - Number(address & 0xfffn);
    const first = this.translate(address, access.read, privilege);
    const { watcher } = this.cpu;
    if (watcher?.isWatching) watcher.touched(this.wrap(address), size, 'read');
    if (size <= room) return physical.read(first, size);
    const second = this.translate(address + BigInt(room), access.read, privilege);
    let value = 0n;
    for (let i = 0; i < size; i++) {
      const byte = physical.read(i < room ? first + i : second + i - room, 1);
      value |= byte << BigInt(i * 8);
    }
    return value;
  }

  write(address: bigint, size: AccessSize, value: bigint, privilege: Privilege = 'current'): void {
    const { physical } = this.cpu;
    const room = 4096 - Number(address & 0xfffn);
    const first = this.translate(address, access.write, privilege);
    const second = size <= room ? 0 : this.translate(address + BigInt(room), access.write, privilege);
    const { watcher } = this.cpu;
    if (watcher?.isWatching) watcher.touched(this.wrap(address), size, 'write');
    if (size <= room) {
      physical.write(first, size, value);
      return;
    }
    for (let i = 0; i < size; i++)
      physical.write(i < room ? first + i : second + i - room, 1, (value >> BigInt(i * 8)) & 0xffn);
  }

  probe(address: bigint, size: number, privilege: Privilege = 'current'): void {
    if (size <= 0) return;
    const room = 4096 - Number(address & 0xfffn);
    this.translate(address, access.probe, privilege);
    for (let done = room; done < size; done += 4096) this.translate(address + BigInt(done), access.probe, privilege);
  }

  window(low: number, high: number, size: number, write: boolean, privilege: Privilege): number {
    if ((low & 0xfff) + size > 4096 || this.cpu.watcher?.isWatching) return -1;
    const { physical, state: cpu } = this.cpu;
    const top = cpu.getU32(state.efer) & EFER.LMA ? high : 0;
    const address = this.paging.translate(low, top, write ? access.probe : access.read, this.accessor(privilege));
    if (address < 0 || address >= 2 ** 32) return -1;
    const at = physical.gate(address);
    const page = at >>> 12;
    const { memory } = physical;
    // Code may have been decoded from here: the long way tells the core about the write.
    if (write && memory.u32[CODE_LINES / 4 + page] !== 0) return -1;
    if (memory.frameOf(page) & frameBits.watched) return -1;
    const frame = write ? physical.writable(page) : memory.readable(page);
    return frame === 0 ? -1 : frame + (at & 0xfff);
  }

  /** @throws Fault */
  private translate(address: bigint, kind: AccessKind, privilege: Privilege): number {
    const linear = this.wrap(address);
    const high = Number(linear >> 32n);
    const physical = this.paging.translate(Number(linear & MASK32), high, kind, this.accessor(privilege));
    if (physical < 0) throw this.paging.fault;
    return this.cpu.physical.gate(physical);
  }

  private accessor(privilege: Privilege): Accessor {
    if (privilege === 'supervisor') return accessor.implicit;
    if (privilege === 'inner') return accessor.supervisor;
    if (privilege === 'user') return accessor.user;
    return this.cpu.state.getU32(state.cpl) === 3 ? accessor.user : accessor.supervisor;
  }

  /** Outside IA-32e mode linear addresses have 32 bits. */
  private wrap(address: bigint): bigint {
    const longMode = this.cpu.state.getU32(state.efer) & EFER.LMA && this.cpu.state.getU32(state.cr0) & CR0.PG;
    return longMode ? BigInt.asUintN(64, address) : address & MASK32;
  }
}
