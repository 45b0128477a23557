/**
 * A machine in a random state: mode, registers, segments, page tables, tables of descriptors, code and data, all from
 * one seed. Most bytes of code are instructions that programs have; the rest is anything.
 */

import { coreBytes } from '../../src/machine/core/binary';
import { state as layout } from '../../src/machine/core/layout';
import { Machine } from '../../src/machine/pc';
import { prepare } from '../../src/program/prepare';
import type { Program } from '../../src/program/program';
import { linear } from '../../src/x86/address';

export const modes = ['real', 'protected-16', 'protected-32', 'paged-32', 'long', 'user'] as const;
export type FuzzMode = (typeof modes)[number];

const module = new WebAssembly.Module(coreBytes);
const MEMORY = 4 * 2 ** 20;
const CODE = 0x10000;
const IDT = 0x30000;
const GDT = 0x31000;
const TABLES = 0x91000;

/** SplitMix32: small, and every seed gives another sequence. */
export class Random {
  constructor(private at: number) {}
  u32(): number {
    this.at = (this.at + 0x9e3779b9) | 0;
    let z = this.at ^ (this.at >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
  below(end: number): number {
    return this.u32() % end;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
  bytes(count: number): number[] {
    return Array.from({ length: count }, () => this.u32() & 0xff);
  }
}

const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x48, 0x41, 0x4c, 0x40];
/** First bytes worth more than others: strings, far transfers, segment registers, flags, gates, ports, groups. */
const OPCODES = [
  0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xae, 0xac, 0x6c, 0x6e, 0x8e, 0x8c, 0x07, 0x17, 0x1f, 0x9c, 0x9d, 0xcf, 0xcb, 0xca,
  0xcc, 0xcd, 0xce, 0xf1, 0xea, 0x9a, 0xff, 0xf7, 0xf6, 0xc8, 0xc9, 0x60, 0x61, 0x62, 0xc4, 0xc5, 0xe2, 0xe3, 0xe8,
  0xeb, 0x74, 0x75, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x89, 0x8b, 0x88, 0x8a, 0x01, 0x03, 0x87, 0x8d, 0x83, 0x81, 0xfa,
  0xfb, 0x50, 0x58, 0xc3, 0xd8, 0xd7, 0x63, 0xe4, 0xe6, 0xec, 0xee,
];
/** Second bytes after 0F. */
const EXTENDED = [
  0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x09, 0x0b, 0x20, 0x21, 0x22, 0x23, 0x30, 0x32, 0x31, 0x34, 0x35, 0x44,
  0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa8, 0xa9, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb4, 0xb5, 0xb6,
  0xb8, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xc0, 0xc1, 0xc7, 0xc8, 0x10, 0x28, 0x6f, 0x84, 0x85, 0x95,
];

const instruction = (random: Random): number[] => {
  const prefixes = Array.from({ length: random.pick([0, 0, 0, 1, 1, 2]) }, () => random.pick(PREFIXES));
  const opcode = random.below(8) === 0 ? random.u32() & 0xff : random.pick(OPCODES);
  const second = opcode === 0x0f ? [random.below(5) === 0 ? random.u32() & 0xff : random.pick(EXTENDED)] : [];
  const displacement = [random.u32() & 0x1f, random.pick([0, 0, 0xff, 0x10]), random.pick([0, 0, 1]), 0];
  return [...prefixes, opcode, ...second, random.u32() & 0xff, ...displacement.slice(0, random.below(5))];
};

const write64 = (bytes: Uint8Array, at: number, value: bigint): void =>
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, value, true);

/** Mostly an address in the low memory that the guest has; now and then a corner. */
const value = (random: Random): bigint => {
  const kind = random.below(10);
  if (kind < 4) return BigInt(CODE + random.below(0x28000));
  if (kind < 6) return BigInt(random.below(64));
  if (kind === 6) return BigInt(random.pick([0xffff, 0xffffffff, 0x7fffffff, 0x80000000, 0xfff, 0x1fff]));
  if (kind === 7) return 2n ** 64n - BigInt(random.below(64));
  if (kind === 8) return random.pick([0x7fff_ffff_fff8n, 0xffff_8000_0000_0000n, 0x8000_0000_0000n]);
  return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
};

const descriptor = (random: Random): bigint => {
  const type = random.pick([
    0x9b, 0x93, 0xfb, 0xf3, 0x9f, 0x97, 0x99, 0x91, 0x89, 0x8c, 0x82, 0x85, 0xec, 0x8e, 0x1b, 0xe9,
  ]);
  const size = random.pick([0xcn, 0x4n, 0xan, 0x0n, 0x8n]);
  const base = random.below(3) === 0 ? BigInt(random.below(0x20000)) : 0n;
  const limit = random.pick([0xfffffn, 0xffffn, 0xffn, 0x67n]);
  return (
    (limit & 0xffffn) | ((base & 0xffffffn) << 16n) | (BigInt(type) << 40n) | ((limit >> 16n) << 48n) | (size << 52n)
  );
};

/** Gates into the code; some are damaged. */
const idt = (random: Random, long: boolean): Uint8Array => {
  const bytes = new Uint8Array(0x1000);
  const size = long ? 16 : 8;
  for (let vector = 0; vector < 256; vector++) {
    const target = BigInt(CODE + random.below(0x1000));
    const type = BigInt(
      random.pick([0x8e, 0x8e, 0x8f, 0xee, 0xee, 0xef, random.below(12) === 0 ? random.u32() & 0xff : 0x8e]),
    );
    const gate = (target & 0xffffn) | (8n << 16n) | (type << 40n) | ((target >> 16n) << 48n);
    write64(bytes, vector * size, gate);
  }
  return bytes;
};

const pageTables = (random: Random, long: boolean): Uint8Array => {
  // PML4, PDPT, one directory, one table for the first 2 MiB; outside long mode the directory is 32-bit.
  const bytes = new Uint8Array(0x4000);
  const view = new DataView(bytes.buffer);
  const entry = (address: number): bigint => {
    const flags = random.below(24) === 0 ? random.u32() & 0x1ff : 7;
    return BigInt(address | flags) | (random.below(60) === 0 && long ? 1n << 63n : 0n);
  };
  if (long) {
    write64(bytes, 0, BigInt(TABLES + 0x1000) | 7n);
    write64(bytes, 0xff8, BigInt(TABLES + 0x1000) | 7n);
    write64(bytes, 0x1000, BigInt(TABLES + 0x2000) | 7n);
    write64(bytes, 0x2000, BigInt(TABLES + 0x3000) | 7n);
    write64(bytes, 0x2008, 0x20_0087n);
    for (let n = 0; n < 512; n++)
      write64(bytes, 0x3000 + n * 8, n >= 0x91 && n < 0x95 ? BigInt(n * 4096 + 3) : entry(n * 4096));
  } else {
    view.setUint32(0, (TABLES + 0x3000) | 7, true);
    view.setUint32(4, 0x87, true);
    for (let n = 0; n < 1024; n++) view.setUint32(0x3000 + n * 4, Number(entry(n * 4096)), true);
  }
  return bytes;
};

/** A machine to be used again and again, in its state before any program. */
export class FuzzMachine {
  readonly machine = new Machine({ core: module, memoryBytes: MEMORY, cpu: 'max' });
  private readonly fresh = this.machine.snapshot();

  /** The same state for the same mode and seed. */
  start(mode: FuzzMode, seed: number): Machine {
    const { machine } = this;
    machine.restore(this.fresh);
    const random = new Random(seed);
    const long = mode === 'long' || mode === 'user';
    const bits = long ? 64 : mode === 'real' ? 16 : 32;
    const code = Uint8Array.from(Array.from({ length: 1200 }, () => instruction(random)).flat());
    const data = Uint8Array.from(random.bytes(0x4000));
    const gdt = new Uint8Array(256);
    const flat = {
      real: 0x9bn,
      'protected-16': 0x0f_9bn,
      'protected-32': 0xcf_9bn,
      'paged-32': 0xcf_9bn,
      long: 0xaf_9bn,
      user: 0xaf_9bn,
    };
    write64(gdt, 8, ((flat[mode] >> 8n) << 48n) | ((flat[mode] & 0xffn) << 40n) | 0xffffn);
    write64(gdt, 16, 0x00cf_9300_0000_ffffn);
    write64(gdt, 24, 0x00cf_f300_0000_ffffn);
    write64(gdt, 32, long ? 0x00af_fb00_0000_ffffn : 0x00cf_fb00_0000_ffffn);
    for (let at = 40; at < 256; at += 8) write64(gdt, at, descriptor(random));
    const segments: [number, Uint8Array][] = [
      [CODE, code],
      [0x20000, data],
      [IDT, idt(random, long)],
      [GDT, gdt],
      [TABLES, pageTables(random, long)],
    ];
    const program: Program = {
      name: 'fuzz',
      segments: [],
      start: { kind: 'direct', bits, entry: linear(BigInt(CODE)) },
      symbols: [],
      lines: [],
    };
    machine.load(prepare(program, { memoryBytes: MEMORY }));
    for (const [at, bytes] of segments) machine.physical.pokeBytes(at, bytes);
    this.setRegisters(mode, random, long);
    return machine;
  }

  private setRegisters(mode: FuzzMode, random: Random, long: boolean): void {
    const { machine } = this;
    const set = (name: string, to: bigint): void => machine.input({ kind: 'register', vcpu: 0, name, value: to });
    const names = [
      'rax',
      'rcx',
      'rdx',
      'rbx',
      'rbp',
      'rsi',
      'rdi',
      'r8',
      'r9',
      'r10',
      'r11',
      'r12',
      'r13',
      'r14',
      'r15',
    ];
    for (const name of names) set(name, long ? value(random) : value(random) & 0xffffffffn);
    set('rsp', BigInt(0x28000 + random.below(0x4000)));
    if (mode !== 'real') {
      set('gdtr.base', BigInt(GDT));
      set('gdtr.limit', 255n);
      set('idtr.base', BigInt(IDT));
      set('idtr.limit', 0xfffn);
    }
    if (mode === 'protected-16') {
      set('cs.access', 0x9bn);
      set('cs.limit', 0xfffffn);
      if (random.below(2)) set('ss.access', 0x93n);
    }
    if (mode === 'paged-32' || long) {
      set('cr3', BigInt(TABLES));
      set('cr0', 0x80000011n | (random.below(2) ? 0x10000n : 0n));
      const more = random.pick([0n, 0x80n, 0x100000n, 0x10000n]);
      set('cr4', long ? 0x20n | more : 0x10n | (more & 0x80n));
      if (long) set('efer', 0xd01n);
    }
    if (mode === 'user') {
      set('cs.selector', 0x23n);
      set('cs.access', 0xa0fbn);
      set('ss.selector', 0x1bn);
      set('ss.access', 0xc0f3n);
      set('tr.base', 0x34000n);
      machine.physical.pokeBytes(0x34004, Uint8Array.from([0, 0xf0, 2, 0, 0, 0, 0, 0]));
      const vcpu = machine.cpus[0];
      if (vcpu) {
        vcpu.state.setU32(layout.cpl, 3);
        vcpu.engine.settle();
      }
    }
    const flags = random.pick([0x2n, 0x202n, 0x3002n, 0x102n, 0x402n, 0x40002n, 0x10002n]);
    set('rflags', random.below(4) === 0 ? flags : 2n);
  }
}
