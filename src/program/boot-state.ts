/**
 * The boot contract as data: the processor's registers at a program's first instruction, and the tables in memory that
 * they point to (docs/boot-contract.md). Nothing here touches a machine.
 */

import { type LinearAddress, type PhysicalAddress, physical } from '../x86/address';
import { BOOT_ADDRESS, BOOT_DRIVE } from './boot-sector';
import { write64 } from './little-endian';
import type { MultibootStart, Segment } from './program';

export type BootKind = 'direct-16' | 'direct-32' | 'direct-64' | 'multiboot' | 'boot-sector' | 'reset';
export type SegmentRegister = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs' | 'ldtr' | 'tr';
type GeneralRegister =
  | 'rax'
  | 'rbx'
  | 'rcx'
  | 'rdx'
  | 'rsi'
  | 'rdi'
  | 'rbp'
  | `r${8 | 9 | 10 | 11 | 12 | 13 | 14 | 15}`;

/** A segment register with its hidden part. */
export interface SegmentState {
  readonly selector: number;
  readonly base: bigint;
  /** In bytes, granularity applied. */
  readonly limit: number;
  /** As in the VMCS: Intel SDM vol. 3, "Guest Register State", Format of Access Rights. */
  readonly attributes: number;
}

export interface TableRegister {
  readonly base: bigint;
  readonly limit: number;
}

export interface BootState {
  readonly kind: BootKind;
  readonly mode: 'real' | 'protected' | 'long';
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly rflags: bigint;
  /** Those not named are zero. */
  readonly gpr: Readonly<Partial<Record<GeneralRegister, bigint>>>;
  readonly segments: Readonly<Record<SegmentRegister, SegmentState>>;
  readonly gdtr: TableRegister;
  readonly idtr: TableRegister;
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly a20: boolean;
}

/** Addresses that are part of the contract. The stack goes down from where the tables begin. */
const STACK_TOP = 0x9_0000;
const GDT_ADDRESS = 0x9_0000;
const PML4_ADDRESS = 0x9_1000;
const PDPT_ADDRESS = 0x9_2000;
const PAGE_DIRECTORY_ADDRESS = 0x9_3000;
/** What belongs to the contract; a program that starts at once must not load anything there. */
export const CONTRACT_START = 0x8_0000;
/** What a BIOS keeps below the program: interrupt vectors and its data area. */
export const BIOS_DATA_END = 0x500;

const CODE_SELECTOR = 0x08;
const DATA_SELECTOR = 0x10;

/** Access rights: present, ring 0, accessed; G and D/B or L where they apply. */
const REAL_SEGMENT = 0x93;
const CODE_32 = 0xc09b;
const CODE_64 = 0xa09b;
const DATA_32 = 0xc093;
const LDT = 0x82;
const BUSY_TSS = 0x8b;

const CR0_PE_ET = 0x11n;
const CR0_PG = 0x8000_0000n;
const CR0_AT_RESET = 0x6000_0010n;
const CR0_REAL = 0x10n;
const CR4_PAE = 0x20n;
const EFER_LME_LMA = 0x500n;
const RFLAGS_FIXED = 0x2n;
const RFLAGS_IF = 0x200n;

const MULTIBOOT_BOOTLOADER_MAGIC = 0x2bad_b002n;

export function directState(bits: 16 | 32 | 64, entry: LinearAddress): BootState {
  if (bits === 16) return direct16(entry);
  return bits === 32 ? protectedState('direct-32', entry, GDT_ADDRESS) : direct64(entry);
}

/** Multiboot Specification 0.6.96, "Machine state". The GDT is a courtesy: kernels must load their own. */
export function multibootState(start: MultibootStart, gdt: PhysicalAddress): BootState {
  return {
    ...protectedState('multiboot', start.entry, Number(gdt)),
    gpr: { rax: MULTIBOOT_BOOTLOADER_MAGIC, rbx: start.information },
  };
}

export function bootSectorState(): BootState {
  return {
    ...realState('boot-sector', realSegment(0)),
    rip: BigInt(BOOT_ADDRESS),
    rsp: BigInt(BOOT_ADDRESS),
    rflags: RFLAGS_FIXED | RFLAGS_IF,
    gpr: { rdx: BigInt(BOOT_DRIVE) },
  };
}

/** Intel SDM vol. 3, "Processor State After Reset"; RDX, the processor's signature, comes from the CPU preset. */
export function resetState(): BootState {
  return {
    ...realState('reset', { selector: 0xf000, base: 0xffff_0000n, limit: 0xffff, attributes: REAL_SEGMENT }),
    rip: 0xfff0n,
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    cr0: CR0_AT_RESET,
  };
}

/** The memory that a direct start in this mode points to. */
export function directTables(bits: 16 | 32 | 64): Segment[] {
  if (bits === 16) return [];
  return bits === 32 ? [flatGdt32(physical(GDT_ADDRESS))] : [flatGdt64(), ...identityPageTables()];
}

/** Null, 32-bit code at 0x08, data at 0x10. */
export function flatGdt32(at: PhysicalAddress): Segment {
  return descriptors(at, [0n, descriptor(CODE_32), descriptor(DATA_32)]);
}

/** Null, 64-bit code at 0x08, data at 0x10, 32-bit code for compatibility mode at 0x18. */
function flatGdt64(): Segment {
  return descriptors(physical(GDT_ADDRESS), [0n, descriptor(CODE_64), descriptor(DATA_32), descriptor(CODE_32)]);
}

function direct16(entry: LinearAddress): BootState {
  // The code segment starts at a multiple of 64 KiB, so that below 64 KiB offsets are addresses.
  const base = entry & ~0xffffn;
  return {
    ...realState('direct-16', realSegment(Number(base >> 4n))),
    rip: entry - base,
    // 0x8000:0x0000: the first push writes just below 0x90000.
    segments: { ...realState('direct-16', realSegment(Number(base >> 4n))).segments, ss: realSegment(0x8000) },
    gpr: { rdx: BigInt(BOOT_DRIVE) },
  };
}

function direct64(entry: LinearAddress): BootState {
  return {
    ...protectedState('direct-64', entry, GDT_ADDRESS),
    mode: 'long',
    segments: flatSegments(CODE_64),
    gdtr: { base: BigInt(GDT_ADDRESS), limit: 4 * 8 - 1 },
    cr0: CR0_PE_ET | CR0_PG,
    cr3: BigInt(PML4_ADDRESS),
    cr4: CR4_PAE,
    efer: EFER_LME_LMA,
  };
}

function protectedState(kind: BootKind, entry: LinearAddress, gdt: number): BootState {
  return {
    kind,
    mode: 'protected',
    rip: entry,
    rsp: BigInt(STACK_TOP),
    rflags: RFLAGS_FIXED,
    gpr: {},
    segments: flatSegments(CODE_32),
    gdtr: { base: BigInt(gdt), limit: 3 * 8 - 1 },
    // Without a table every exception is a triple fault, whose chain tells what happened.
    idtr: { base: 0n, limit: 0 },
    cr0: CR0_PE_ET,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    a20: true,
  };
}

function realState(kind: BootKind, cs: SegmentState): BootState {
  const zero = realSegment(0);
  return {
    kind,
    mode: 'real',
    rip: 0n,
    rsp: 0n,
    rflags: RFLAGS_FIXED,
    gpr: {},
    segments: { es: zero, cs, ss: zero, ds: zero, fs: zero, gs: zero, ...systemSegments },
    gdtr: { base: 0n, limit: 0 },
    idtr: { base: 0n, limit: 0x3ff },
    cr0: CR0_REAL,
    cr3: 0n,
    cr4: 0n,
    efer: 0n,
    a20: true,
  };
}

/** As the processor leaves them at reset; no start loads them. */
const systemSegments = {
  ldtr: { selector: 0, base: 0n, limit: 0xffff, attributes: LDT },
  tr: { selector: 0, base: 0n, limit: 0xffff, attributes: BUSY_TSS },
} as const;

function realSegment(selector: number): SegmentState {
  return { selector, base: BigInt(selector) << 4n, limit: 0xffff, attributes: REAL_SEGMENT };
}

function flatSegments(code: number): BootState['segments'] {
  const data = { selector: DATA_SELECTOR, base: 0n, limit: 0xffff_ffff, attributes: DATA_32 };
  const cs = { selector: CODE_SELECTOR, base: 0n, limit: 0xffff_ffff, attributes: code };
  return { es: data, cs, ss: data, ds: data, fs: data, gs: data, ...systemSegments };
}

/** A segment descriptor with base 0 and limit 4 GiB: Intel SDM vol. 3, "Segment Descriptors". */
function descriptor(attributes: number): bigint {
  const access = BigInt(attributes & 0xff) << 40n;
  const flags = BigInt((attributes >> 12) & 0xf) << 52n;
  return 0x000f_0000_0000_ffffn | access | flags;
}

function descriptors(at: PhysicalAddress, entries: readonly bigint[]): Segment {
  const bytes = new Uint8Array(entries.length * 8);
  for (const [index, entry] of entries.entries()) write64(bytes, index * 8, entry);
  return { physical: at, bytes, size: bytes.length };
}

const PRESENT_WRITABLE = 0x3n;
const LARGE_PAGE = 0x80n;
/** PWT and PCD: uncached, for the pages in which the APICs have their registers. */
const UNCACHED = 0x18n;
const LARGE_PAGE_SIZE = 0x20_0000n;
const APIC_PAGES: readonly bigint[] = [0xfec0_0000n, 0xfee0_0000n];

/** PML4, page-directory-pointer table and four page directories: linear = physical for the first 4 GiB. */
function identityPageTables(): Segment[] {
  const pml4 = new Uint8Array(0x1000);
  write64(pml4, 0, BigInt(PDPT_ADDRESS) | PRESENT_WRITABLE);
  const pdpt = new Uint8Array(0x1000);
  for (let index = 0; index < 4; index++) {
    write64(pdpt, index * 8, BigInt(PAGE_DIRECTORY_ADDRESS + index * 0x1000) | PRESENT_WRITABLE);
  }
  const directories = new Uint8Array(0x4000);
  for (let index = 0; index < 4 * 512; index++) {
    const page = BigInt(index) * LARGE_PAGE_SIZE;
    const caching = APIC_PAGES.includes(page) ? UNCACHED : 0n;
    write64(directories, index * 8, page | LARGE_PAGE | PRESENT_WRITABLE | caching);
  }
  return [
    { physical: physical(PML4_ADDRESS), bytes: pml4, size: pml4.length },
    { physical: physical(PDPT_ADDRESS), bytes: pdpt, size: pdpt.length },
    { physical: physical(PAGE_DIRECTORY_ADDRESS), bytes: directories, size: directories.length },
  ];
}
