/** What gives code its names: the program, its symbol files, and the firmware that the machine itself provides. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { AddressRange } from '../program/lines';
import { md5 } from '../program/md5';
import type { Module } from '../program/program';
import { hex, type LinearAddress, linear } from '../x86/address';
import type { Context } from './context';

/** Columns beside the protocol's own. */
export const moduleColumns: readonly DebugProtocol.ColumnDescriptor[] = [
  { attributeName: 'loadOffset', label: 'Load offset', type: 'string' },
  { attributeName: 'symbolCount', label: 'Symbols', type: 'number' },
  { attributeName: 'sourceFiles', label: 'Source files', type: 'number' },
];

type Row = DebugProtocol.Module & {
  readonly loadOffset?: string;
  readonly symbolCount?: number;
  readonly sourceFiles?: number;
};

const FIRMWARE = 'firmware';
const PAGE = 4096n;

export const modulesOf = (context: Context): Row[] => {
  const { info, machine } = context.session;
  const pages = machine.natives.pages.map(({ address }) => linear(BigInt(address)));
  const ranges = pages.map((start): AddressRange => ({ start, end: start + PAGE }));
  return [
    ...(info.program.modules ?? []).map((module, index) => moduleRow(context, module, index)),
    ...(ranges.length === 0 ? [] : [firmwareRow(ranges)]),
  ];
};

/** The module that code at an address belongs to. */
export const moduleIdOf = (context: Context, address: LinearAddress): number | string | undefined => {
  const { info, machine } = context.session;
  if (machine.natives.nameOf(Number(address)) !== undefined) return FIRMWARE;
  const module = info.moduleAt(address);
  return module === undefined ? undefined : (info.program.modules ?? []).indexOf(module) + 1;
};

export const moduleName = (context: Context, address: LinearAddress): string | undefined => {
  const id = moduleIdOf(context, address);
  return id === undefined ? undefined : modulesOf(context).find((row) => row.id === id)?.name;
};

const moduleRow = (context: Context, module: Module, index: number): Row => {
  const { name, path, kind, offset, ranges, symbols, lines, problem } = module;
  return {
    id: index + 1,
    name: context.sourceOf(name).name ?? name,
    path,
    isUserCode: true,
    symbolStatus: problem ?? statusOf(symbols.length, lines.isEmpty),
    ...(symbols.length === 0 && lines.isEmpty ? {} : { symbolFilePath: path }),
    ...rangeText(ranges),
    loadOffset: kind === 'symbols' || offset !== 0n ? hex(offset) : '',
    symbolCount: symbols.length,
    sourceFiles: lines.files.length,
  };
};

const statusOf = (symbols: number, isWithoutLines: boolean): string => {
  if (symbols === 0) return isWithoutLines ? 'no symbols' : 'lines, no symbols';
  return isWithoutLines ? 'symbols, no lines' : 'symbols and lines';
};

/** Routines that are the machine's own have names, but no file. */
const firmwareRow = (ranges: readonly AddressRange[]): Row => ({
  id: FIRMWARE,
  name: 'firmware of Ringside',
  isUserCode: false,
  symbolStatus: 'symbols, no lines',
  ...rangeText(ranges),
});

/** `0x100000-0x1007ff, …`: the last address belongs to it. */
const rangeText = (ranges: readonly AddressRange[]): { readonly addressRange?: string } =>
  ranges.length === 0
    ? {}
    : { addressRange: ranges.map(({ start, end }) => `${hex(start)}-${hex(end - 1n)}`).join(', ') };

/** What a client was told of, by its name. */
export interface ToldLoaded {
  readonly modules: Map<string, DebugProtocol.Module>;
  readonly sources: Map<string, DebugProtocol.Source>;
}

/** Tells the client of modules and sources that came, changed or went since it was told last. */
export const announceLoaded = (context: Context): void => {
  const modules = modulesOf(context);
  const sources = context.session.info.lines.files.map((file) => context.sourceOf(file));
  const told = context.toldLoaded;
  void tellChangedSources(context);
  const byName = <Thing>(list: readonly Thing[], name: (one: Thing) => unknown) =>
    new Map(list.map((one) => [String(name(one)), one]));
  for (const [reason, module] of differences(
    told.modules,
    byName<DebugProtocol.Module>(modules, ({ id }) => id),
  ))
    context.send('module', { reason, module });
  for (const [reason, source] of differences(
    told.sources,
    byName(sources, ({ path }) => path),
  ))
    context.send('loadedSource', { reason, source });
};

/** Tells the user of sources that are not what the code was made from: their lines may be others. */
export const tellChangedSources = async (context: Context): Promise<void> => {
  for (const { name, checksums } of context.session.info.program.modules ?? [])
    for (const [path, made] of [...(checksums ?? [])].slice(0, MOST_COMPARED)) {
      const now = await context.files.read(path).then(md5, () => made);
      if (now !== made) context.note(`${path} has changed since ${name} was made from it: its lines may be wrong`);
    }
};

const MOST_COMPARED = 1000;

/** Brings `told` up to date, and gives what that took. */
const differences = <Thing>(
  told: Map<string, Thing>,
  now: ReadonlyMap<string, Thing>,
): ['new' | 'changed' | 'removed', Thing][] => {
  const found: ['new' | 'changed' | 'removed', Thing][] = [];
  for (const [key, thing] of told)
    if (!now.has(key)) {
      told.delete(key);
      found.push(['removed', thing]);
    }
  for (const [key, thing] of now) {
    const before = told.get(key);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(thing)) continue;
    told.set(key, thing);
    found.push([before === undefined ? 'new' : 'changed', thing]);
  }
  return found;
};
