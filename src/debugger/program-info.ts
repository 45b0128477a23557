/** What a loaded program says about its addresses: symbols and source lines, by name and by address. */

import { LineTable } from '../program/lines';
import type { Module, Program } from '../program/program';
import { SymbolTable } from '../program/symbols';
import { hex, type LinearAddress, linear } from '../x86/address';

/** Further from the symbol than this, and outside its size, its name says nothing about an address. */
const REACH = 0x1_0000n;
/** The same where the program has lines and none for the address: what lies behind its end. */
const REACH_WITHOUT_LINE = 0x1000n;

export class ProgramInfo {
  readonly program: Program;
  readonly symbols: SymbolTable;
  readonly lines: LineTable;

  private readonly firmware: (address: LinearAddress) => string | undefined;

  /** @param firmware names code that is not the program's: services that the machine itself provides */
  constructor(program: Program, firmware: (address: LinearAddress) => string | undefined = () => undefined) {
    this.program = program;
    this.firmware = firmware;
    this.symbols = new SymbolTable(program.symbols);
    this.lines = LineTable.of(program.lines);
  }

  /** `print+0x3`, or undefined far from every symbol. */
  nameOf(address: LinearAddress): string | undefined {
    const own = this.firmware(address);
    if (own !== undefined) return own;
    const near = this.symbols.at(address);
    if (near === null) return undefined;
    const known = this.lines.isEmpty || this.lines.at(address) !== null;
    if (near.offset >= (known ? REACH : REACH_WITHOUT_LINE) && near.offset >= BigInt(near.symbol.size))
      return undefined;
    return near.offset === 0n ? near.symbol.name : `${near.symbol.name}+0x${near.offset.toString(16)}`;
  }

  /** `0x100003 print+0x3 hello.asm:36`, as far as it is known. */
  placeOf(address: LinearAddress): string {
    const line = this.lines.at(address);
    const parts = [hex(address), this.nameOf(address), line === null ? undefined : `${line.file}:${line.line}`];
    return parts.filter((part) => part !== undefined).join(' ');
  }

  /** The label that is not local at or below an address: the name of what runs there. */
  functionAt(address: LinearAddress): string | undefined {
    const own = this.firmware(address);
    if (own !== undefined) return own;
    const name = this.symbols.at(address)?.symbol.name;
    if (name === undefined) return undefined;
    return isLocal(name) ? name.slice(0, name.indexOf('.', 1)) : name;
  }

  /** Where the function around an address begins and ends, as far as whole labels say. */
  functionRange(
    address: LinearAddress,
  ): { readonly start: LinearAddress; readonly end: bigint | undefined } | undefined {
    const name = this.functionAt(address);
    const start = name === undefined ? undefined : this.symbols.named(name)?.address;
    if (start === undefined || start > address) return undefined;
    const next = this.symbols.between(linear(address + 1n), address + REACH).find((one) => !isLocal(one.name));
    return { start, end: next?.address };
  }

  /** The module that an address belongs to. */
  moduleAt(address: LinearAddress): Module | undefined {
    return this.program.modules?.find(({ ranges }) =>
      ranges.some(({ start, end }) => address >= start && address < end),
    );
  }

  /** MD5 of a source file as it was when code was made from it, as far as that is known. */
  checksumOf(file: string): string | undefined {
    for (const { checksums } of this.program.modules ?? []) {
      const found = checksums?.get(file);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The address of a symbol; `.loop` means the local label of the function at `near`. */
  resolve(name: string, near: LinearAddress): LinearAddress | undefined {
    const owner = name.startsWith('.') ? this.functionAt(near) : undefined;
    const symbol = (owner === undefined ? null : this.symbols.named(owner + name)) ?? this.symbols.named(name);
    return symbol?.address;
  }

  /** The program's files whose name a client's path means. */
  fileFor(path: string): string | undefined {
    const wanted = normal(path);
    const { files } = this.lines;
    const exact = files.find((file) => normal(file) === wanted);
    if (exact !== undefined) return exact;
    const ends = files.filter((file) => wanted.endsWith(`/${normal(file).replace(/^(\.\/)+/, '')}`));
    return ends.length === 1 ? ends[0] : undefined;
  }
}

/** `print.loop`: a label within a function. */
const isLocal = (name: string): boolean => name.indexOf('.', 1) > 0;

/** Paths are equal whatever the slashes and the case of a drive letter. */
const normal = (path: string): string => path.replace(/\\/g, '/').replace(/^[a-z]:/, (drive) => drive.toUpperCase());
