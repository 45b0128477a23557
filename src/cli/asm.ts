/** `ringside asm`: NASM syntax to a flat binary, and a listing. */

import { assemble } from '../assembler/assemble';
import { formatDiagnostic } from '../assembler/diagnostics';
import { BadInput, type LineRow } from '../program/program';
import { hex } from '../x86/address';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';
import { writeOrComplain } from './result';

export const asm: Run = async ({ operands, values }) => {
  const [path] = operands;
  if (path === undefined) throw new BadInput('asm: which source? ringside asm FILE');
  const format = values.get('-f') ?? 'bin';
  if (format !== 'bin') throw new BadInput(`-f ${format}: there is one format, bin`);
  const source = new TextDecoder().decode(await new DiskFiles().read(path));
  const result = assemble(source, { file: path });
  const json = values.get('--json');
  const to = values.get('-o') ?? defaultName(path);
  if (json !== undefined) {
    const { bits, origin, bytes, symbols, errors, warnings } = result;
    const shown = {
      outcome: errors.length > 0 ? 'bad-input' : 'assembled',
      exitCode: errors.length > 0 ? 2 : 0,
      file: to,
      bits,
      origin: hex(origin),
      bytes: bytes.length,
      symbols: symbols.map(({ name, address, kind }) => ({ name, address: hex(address), kind })),
      errors,
      warnings,
    };
    const text = `${JSON.stringify(shown, null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else writeOrComplain(json, text);
  }
  for (const warning of result.warnings) process.stderr.write(`${formatDiagnostic(warning)} (warning)\n`);
  for (const error of result.errors) process.stderr.write(`${formatDiagnostic(error)}\n`);
  if (result.errors.length > 0) return 2;
  if (to === path) throw new BadInput(`${to}: is the source itself; give the binary another name with -o`);
  if (to === '-') process.stdout.write(result.bytes);
  else writeOrComplain(to, result.bytes);
  const listing = values.get('-l');
  if (listing !== undefined) {
    const text = listingOf(source, result.lines, result.origin, result.bytes);
    if (listing === '-') process.stdout.write(text);
    else writeOrComplain(listing, text);
  }
  return 0;
};

const defaultName = (path: string): string => {
  const plain = path.replace(/\.(asm|nasm)$/i, '');
  return plain === path ? `${path}.bin` : plain;
};

const BYTES_PER_ROW = 8;

/** Each line of the source with its address and bytes. */
const listingOf = (source: string, rows: readonly LineRow[], origin: bigint, image: Uint8Array): string => {
  const pieces = new Map<number, { readonly address: bigint; readonly bytes: Uint8Array }[]>();
  rows.forEach((row, index) => {
    if (row.end === true) return;
    const from = Number(row.address - origin);
    const next = rows[index + 1];
    const to = next === undefined ? image.length : Number(next.address - origin);
    const list = pieces.get(row.line) ?? [];
    list.push({ address: row.address, bytes: image.subarray(from, to) });
    pieces.set(row.line, list);
  });
  const out: string[] = [];
  source.split(/\r?\n/).forEach((text, index) => {
    const rowsOfLine = (pieces.get(index + 1) ?? []).flatMap(({ address, bytes }) => split(address, bytes));
    const [first, ...rest] = rowsOfLine;
    const number = String(index + 1).padStart(5);
    out.push(`${number} ${first ?? ''.padEnd(8 + 1 + BYTES_PER_ROW * 2)}  ${text}`.trimEnd());
    for (const more of rest) out.push(`${number} ${more}`.trimEnd());
  });
  return `${out.join('\n')}\n`;
};

const split = (address: bigint, bytes: Uint8Array): string[] => {
  const parts: string[] = [];
  for (let at = 0; at < Math.max(1, bytes.length); at += BYTES_PER_ROW) {
    const text = [...bytes.subarray(at, at + BYTES_PER_ROW)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    parts.push(`${(address + BigInt(at)).toString(16).padStart(8, '0')} ${text.padEnd(BYTES_PER_ROW * 2)}`);
  }
  return parts;
};
