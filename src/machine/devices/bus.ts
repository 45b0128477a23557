/**
 * The two buses on which the processor finds devices: 65,536 I/O ports and windows in physical memory. An access that
 * fits a register goes to it whole; wider ones are split, narrower ones take their part; where nothing is, all ones.
 */

import type { Device, MemoryWindow, Register } from './device';

export type AccessSize = 1 | 2 | 4;

/** Who asks: the guest (`read`, with side effects) or the debugger (`peek`, without). */
type Look = 'read' | 'peek';

const ports = 0x1_0000;
const nothing = -1;
const allOnes = (size: number): number => 2 ** (8 * size) - 1;

const lookAt = (register: Register, look: Look): number =>
  (look === 'read' && register.read ? register.read() : register.peek()) >>> 0;

/** Registers by address. A register covers `size` addresses, but the one that starts at an address owns it. */
class RegisterIndex {
  readonly #registers: Register[] = [];
  readonly #at: Int16Array;

  constructor(addresses: number) {
    this.#at = new Int16Array(addresses).fill(nothing);
  }

  add(register: Register): void {
    const row = this.#registers.push(register) - 1;
    for (let byte = 0; byte < register.size; byte++) {
      const owner = this.find(register.at + byte);
      if (byte === 0 || owner?.at !== register.at + byte) this.#at[register.at + byte] = row;
    }
  }

  find(address: number): Register | undefined {
    const row = this.#at[address] ?? nothing;
    return row === nothing ? undefined : this.#registers[row];
  }

  read(address: number, size: AccessSize, look: Look, stray?: () => void): number {
    const exact = this.find(address);
    if (exact?.at === address && exact.size >= size) return (lookAt(exact, look) & allOnes(size)) >>> 0;
    let value = 0;
    for (let byte = 0; byte < size; ) {
      const at = address + byte;
      const register = this.find(at);
      const whole = register?.at === at && register.size <= size - byte;
      const width = whole ? register.size : 1;
      if (!register && look === 'read') stray?.();
      const part = register ? (lookAt(register, look) >>> (8 * (at - register.at))) & allOnes(width) : 0xff;
      value += (part >>> 0) * 2 ** (8 * byte);
      byte += width;
    }
    return value;
  }

  write(address: number, size: AccessSize, value: number, stray?: () => void): void {
    for (let byte = 0; byte < size; ) {
      const at = address + byte;
      const register = this.find(at);
      const part = value >>> (8 * byte);
      const width = register?.at === at ? Math.min(register.size, size - byte) : 1;
      if (!register) stray?.();
      else if (register.at === at && register.size === width) register.write?.((part & allOnes(width)) >>> 0);
      else register.write?.(merge(register, at - register.at, width, part));
      byte += width;
    }
  }
}

/** What a register wider than the access gets: its present value with the written bytes replaced. */
function merge(register: Register, offset: number, width: number, part: number): number {
  const mask = (allOnes(width) << (8 * offset)) >>> 0;
  return ((register.peek() & ~mask) | ((part << (8 * offset)) & mask)) >>> 0;
}

function storeBytes(bytes: Uint8Array, offset: number, size: number, value: number): void {
  const end = Math.min(size, bytes.length - offset);
  for (let byte = 0; byte < end; byte++) bytes[offset + byte] = value >>> (8 * byte);
}

export class IoBus {
  readonly #index = new RegisterIndex(ports);

  constructor(devices: readonly Device[]) {
    for (const device of devices) for (const register of device.ports ?? []) this.#index.add(register);
  }

  /** As IN reads it. Unclaimed ports read all ones. */
  read(port: number, size: AccessSize): number {
    return this.#index.read(port, size, 'read');
  }

  /** As `read`, without any side effect. */
  peek(port: number, size: AccessSize): number {
    return this.#index.read(port, size, 'peek');
  }

  write(port: number, size: AccessSize, value: number): void {
    this.#index.write(port, size, value);
  }
}

interface MappedWindow {
  readonly window: MemoryWindow;
  readonly index: RegisterIndex;
}

/** The memory windows one vCPU sees: those of the board and its own local APIC. 8-byte accesses are two of 4 bytes. */
export class MmioBus {
  readonly #windows: readonly MappedWindow[];

  constructor(devices: readonly Device[]) {
    this.#windows = devices.flatMap(({ window }) => {
      if (!window) return [];
      const index = new RegisterIndex(window.bytes ? 0 : window.size);
      for (const register of window.registers) index.add(register);
      return [{ window, index }];
    });
  }

  /** Whether a device answers at this physical address. */
  claims(address: number): boolean {
    return this.#find(address) !== undefined;
  }

  /** As the guest reads it. Unclaimed addresses read all ones. */
  read(address: number, size: AccessSize): number {
    return this.#read(address, size, 'read');
  }

  /** As `read`, without any side effect. */
  peek(address: number, size: AccessSize): number {
    return this.#read(address, size, 'peek');
  }

  write(address: number, size: AccessSize, value: number): void {
    const mapped = this.#find(address);
    if (!mapped) return;
    const { window, index } = mapped;
    const offset = address - window.base;
    const bytes = window.bytes?.();
    if (bytes) storeBytes(bytes, offset, size, value);
    else index.write(offset, size, value, window.stray);
  }

  #read(address: number, size: AccessSize, look: Look): number {
    const mapped = this.#find(address);
    if (!mapped) return allOnes(size);
    const { window, index } = mapped;
    const offset = address - window.base;
    const bytes = window.bytes?.();
    if (!bytes) return index.read(offset, size, look, window.stray);
    let value = 0;
    for (let byte = size - 1; byte >= 0; byte--) value = value * 0x100 + (bytes[offset + byte] ?? 0xff);
    return value;
  }

  #find(address: number): MappedWindow | undefined {
    for (const mapped of this.#windows) {
      const { base, size } = mapped.window;
      if (base >= 0 && address >= base && address < base + size) return mapped;
    }
    return undefined;
  }
}
