/** A program ready to be placed into the machine: what is loaded where, how it starts, and what its addresses mean. */

import type { LinearAddress, PhysicalAddress } from '../x86/address';
import type { AddressRange, LineTable } from './lines';

export interface Program {
  /** The file's name as the user gave it, for messages. */
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly start: Start;
  /** Of all modules, at the addresses where they are. */
  readonly symbols: readonly ProgramSymbol[];
  /** Rows are sorted by address; an address belongs to the last one at or below it, up to one marked as an end. */
  readonly lines: readonly LineRow[] | LineTable;
  /** The files that its symbols and lines come from, as far as they have addresses of their own. */
  readonly modules?: readonly Module[];
  readonly checksums?: Checksums | undefined;
  /** What its author may not have meant: a line each. */
  readonly warnings?: readonly string[];
}

/** MD5 of source files as they were when code was made from them, in lower case, by path. */
export type Checksums = ReadonlyMap<string, string>;

/** A file that says what addresses mean: the program itself, or symbols for code that it loads. */
export interface Module {
  readonly name: string;
  readonly path: string;
  readonly kind: 'program' | 'symbols';
  /** Added to every address in the file. */
  readonly offset: bigint;
  /** Where its code and data lie, as linear addresses. */
  readonly ranges: readonly AddressRange[];
  readonly symbols: readonly ProgramSymbol[];
  readonly lines: LineTable;
  readonly checksums?: Checksums | undefined;
  /** Why there is less than the file promises: one line. */
  readonly problem?: string;
}

/** A piece of memory the program wants: `bytes` at `physical`, then zeros up to `size`. */
export interface Segment {
  readonly physical: PhysicalAddress;
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** Which part of the boot contract (docs/boot-contract.md) applies. */
export type Start =
  | { readonly kind: 'direct'; readonly bits: 16 | 32 | 64; readonly entry: LinearAddress }
  | MultibootStart
  | { readonly kind: 'boot-sector'; readonly image: Uint8Array }
  | { readonly kind: 'reset'; readonly rom: Uint8Array };

export interface MultibootStart {
  readonly kind: 'multiboot';
  readonly entry: LinearAddress;
  /** Where the information structure will be; EBX at the start. */
  readonly information: PhysicalAddress;
  /** The header's flags. */
  readonly flags: number;
  /** The program's name, then what the user gave. */
  readonly commandLine: string;
  readonly modules: readonly MultibootModule[];
  /** The ELF section table that the kernel is shown, with the file that it describes; null for other images. */
  readonly sections: MultibootSections | null;
}

export interface MultibootModule {
  /** The file's name, then its arguments. */
  readonly commandLine: string;
  readonly bytes: Uint8Array;
}

export interface MultibootSections {
  readonly file: Uint8Array;
  readonly bits: 32 | 64;
  /** Offset of the section header table in the file. */
  readonly table: number;
  /** Size of one entry in bytes. */
  readonly entrySize: number;
  readonly count: number;
  /** Index of the section that holds the sections' names. */
  readonly names: number;
}

export interface ProgramSymbol {
  /** Local labels carry their full name: `start.count`. */
  readonly name: string;
  readonly address: LinearAddress;
  /** Bytes; 0 when the file does not say. */
  readonly size: number;
  readonly kind: 'code' | 'data' | 'constant';
}

export interface LineRow {
  readonly address: LinearAddress;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column?: number;
  /** A statement does not begin here: no place for a breakpoint. */
  readonly statement?: false;
  /** The function has made its frame here. */
  readonly body?: true;
  /** What lies here is data as far as the source says: `db`, `dq`. */
  readonly data?: true;
  /** The row only ends the sequence before it. */
  readonly end?: true;
}

/** Bad input: one line for the user, saying what, where, and what would be right. Ends the command with status 2. */
export class BadInput extends Error {}

/** The one way files are read, before the machine starts: a disk in Node, the workspace in the browser. */
export interface Files {
  /** @throws BadInput with one line when the file cannot be read. */
  read(path: string): Promise<Uint8Array>;
  /** `path` relative to the folder of `from` unless it is absolute. */
  resolve(from: string, path: string): string;
}
