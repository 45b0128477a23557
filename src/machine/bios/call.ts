/** A BIOS call as its service sees it: registers by name, memory through the processor, the caller's flags on the stack. */

import { flagBits } from '../../x86/registers';
import type { AccessSize } from '../core/physical';
import { CS, DS, ES, type SegmentIndex, SS } from '../core/state';
import { checkPort } from '../cpu/io-permission';
import type { VirtualCpu } from '../virtual-cpu';

const registers = {
  al: [0, 0, 0xff],
  ah: [0, 8, 0xff],
  ax: [0, 0, 0xffff],
  eax: [0, 0, 0xffffffff],
  bl: [3, 0, 0xff],
  bh: [3, 8, 0xff],
  bx: [3, 0, 0xffff],
  ebx: [3, 0, 0xffffffff],
  cl: [1, 0, 0xff],
  ch: [1, 8, 0xff],
  cx: [1, 0, 0xffff],
  ecx: [1, 0, 0xffffffff],
  dl: [2, 0, 0xff],
  dh: [2, 8, 0xff],
  dx: [2, 0, 0xffff],
  edx: [2, 0, 0xffffffff],
  si: [6, 0, 0xffff],
  bp: [5, 0, 0xffff],
  di: [7, 0, 0xffff],
} as const satisfies Record<string, readonly [register: number, shift: number, mask: number]>;
export type RegisterName = keyof typeof registers;

const segments = { es: ES, ds: DS } as const;

export class BiosCall {
  constructor(private readonly vcpu: VirtualCpu) {}

  get(name: RegisterName): number {
    const [register, shift, mask] = registers[name];
    return ((this.vcpu.state.gpr32(register) >>> shift) & mask) >>> 0;
  }

  /** The rest of the register stays. */
  set(name: RegisterName, value: number): void {
    const [register, shift, mask] = registers[name];
    const { state } = this.vcpu;
    const field = BigInt(mask) << BigInt(shift);
    state.setGpr(register, (state.gpr(register) & ~field) | (BigInt((value & mask) >>> 0) << BigInt(shift)));
  }

  /** Linear address of segment:offset. */
  pointer(segment: keyof typeof segments, offset: number): number {
    return Number(this.vcpu.state.segmentBase(segments[segment])) + offset;
  }

  /** Little-endian, at a linear address. @throws Fault */
  read(address: number, size: AccessSize): number {
    return Number(this.vcpu.cpu.linear.read(BigInt(address), size));
  }
  write(address: number, size: AccessSize, value: number): void {
    this.vcpu.cpu.linear.write(BigInt(address), size, BigInt.asUintN(size * 8, BigInt(value)));
  }
  /** Makes sure that bytes can be written. @throws Fault */
  probe(address: number, size: number): void {
    this.vcpu.cpu.linear.probe(BigInt(address), size);
  }
  /** @throws Fault */
  writeBytes(address: number, bytes: Uint8Array): void {
    this.probe(address, bytes.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let done = 0;
    for (; done + 8 <= bytes.length; done += 8)
      this.vcpu.cpu.linear.write(BigInt(address + done), 8, view.getBigUint64(done, true));
    for (; done < bytes.length; done++) this.write(address + done, 1, bytes[done] as number);
  }

  /** Byte ports. @throws Fault where the program may not use them */
  in(port: number): number {
    checkPort(this.vcpu.cpu, port, 1);
    return this.vcpu.cpu.surroundings.portRead(port, 1);
  }
  out(port: number, value: number): void {
    checkPort(this.vcpu.cpu, port, 1);
    this.vcpu.cpu.surroundings.portWrite(port, 1, value);
  }

  /** Sets or clears a flag in the image that IRET will load. @throws Fault */
  setFlag(flag: 'CF' | 'ZF', on: boolean): void {
    const address = this.flagsAddress();
    const flags = this.read(address, 2);
    this.write(address, 2, on ? flags | flagBits[flag] : flags & ~flagBits[flag]);
  }

  /** IP, CS and FLAGS lie on the stack, each as wide as the code segment says. */
  private flagsAddress(): number {
    const { state } = this.vcpu;
    const big = (index: SegmentIndex): boolean => (state.segmentAccess(index) & (1 << 14)) !== 0;
    const offset = Number(BigInt.asUintN(32, state.rsp)) + 2 * (big(CS) ? 4 : 2);
    return Number(state.segmentBase(SS)) + (big(SS) ? offset >>> 0 : offset & 0xffff);
  }
}
