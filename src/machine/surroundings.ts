/** What processors reach of the board: ports, their local APICs, device windows, time. */

import type { EventKind } from './core/event';
import type { AccessSize, DeviceSpace } from './core/physical';
import type { Surroundings } from './cpu/cpu';
import type { Devices } from './devices/board-devices';
import type { MmioBus } from './devices/bus';
import type { VirtualCpu } from './virtual-cpu';

/** The board as its processors' surroundings need it. */
export interface Surrounding {
  readonly devices: Devices;
  readonly cpus: readonly VirtualCpu[];
  readonly current: number;
  now(): number;
  emit(vcpu: number, kind: EventKind, make: () => Record<string, unknown>, detail?: number): void;
  /** Something was written to a device: what it will do next may have changed. */
  touched(): void;
  nextRandom(): bigint;
}

/** What one processor has around it. */
export const surroundingsOf = (board: Surrounding, index: number): Surroundings => {
  const apic = () => board.devices.localApics[index];
  return {
    now: () => board.now(),
    emit: (kind, make, detail) => board.emit(index, kind, make, detail),
    portRead: (port, size) => {
      const value = board.devices.io.read(port, size);
      board.cpus[index]?.debug.portAccessed(port, size);
      board.emit(index, 'port', () => ({ port, size, access: 'r', value }));
      return value;
    },
    portWrite: (port, size, value) => {
      board.emit(index, 'port', () => ({ port, size, access: 'w', value }));
      board.touched();
      board.devices.io.write(port, size, value);
      board.cpus[index]?.debug.portAccessed(port, size);
    },
    apic: {
      taskPriority: () => apic()?.cr8 ?? 0,
      setTaskPriority: (value) => {
        const own = apic();
        if (own) own.cr8 = value;
        board.touched();
      },
      readMsr: (register) => apic()?.readMsr(register),
      writeMsr: (register, value) => {
        board.touched();
        return apic()?.writeMsr(register, value) ?? false;
      },
      baseChanged: (value) => {
        board.touched();
        apic()?.writeMsr(0x1b, value);
      },
      deadline: () => apic()?.readMsr(0x6e0) ?? 0n,
      setDeadline: (value) => {
        board.touched();
        apic()?.writeMsr(0x6e0, value);
      },
    },
    random: () => board.nextRandom(),
  };
};

/** Physical memory where there is no memory: the devices' windows, as the vCPU whose turn it is sees them. */
export const deviceSpaceOf = (board: Surrounding): DeviceSpace => {
  const access = (address: number, size: AccessSize, work: (at: number, width: 1 | 2 | 4) => bigint): bigint => {
    if (size !== 8) return work(address, size);
    return work(address, 4) | (work(address + 4, 4) << 32n);
  };
  const bus = () => board.devices.mmio[board.current] as MmioBus;
  const space: DeviceSpace = {
    read: (address, size) => {
      const value = access(address, size as AccessSize, (at, width) => BigInt(bus().read(at, width)));
      board.emit(board.current, 'mmio', () => ({ address: BigInt(address), size, access: 'r', value }));
      return value;
    },
    peek: (address, size) => access(address, size as AccessSize, (at, width) => BigInt(bus().peek(at, width))),
    write: (address, size, value) => {
      board.emit(board.current, 'mmio', () => ({ address: BigInt(address), size, access: 'w', value }));
      board.touched();
      access(address, size as AccessSize, (at, width) => {
        const part = (value >> BigInt((at - address) * 8)) & ((1n << BigInt(width * 8)) - 1n);
        bus().write(at, width, Number(part));
        return 0n;
      });
    },
  };
  return space;
};
