/** Items as variables: pages of long lists, values that cost something, and the numbers under which trees are opened. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { Context } from '../../src/dap/context';
import type { Container } from '../../src/dap/handles';
import { variablesOf } from '../../src/dap/variables';
import type { Item } from '../../src/debugger/item';
import { MemoryFiles } from '../../src/program/files-memory';

const contextFor = (client: Partial<DebugProtocol.InitializeRequestArguments> = {}): Context => {
  const context = new Context(new MemoryFiles({}), () => {});
  context.client = client;
  return context;
};

/** A list of so many rows, and how many of them were made. */
const list = (count: number): { container: Container; made: () => number } => {
  let made = 0;
  const items = (start = 0, wanted = count): Item[] =>
    Array.from({ length: Math.min(wanted, count - start) }, (_, n) => {
      made++;
      return { name: `[${start + n}]`, bits: BigInt(start + n) };
    });
  return { container: { vcpu: 0, path: 'list', count, items }, made: () => made };
};

const names = (rows: readonly DebugProtocol.Variable[]): string[] => rows.map(({ name }) => name);

describe('a long list', () => {
  test('gives the page that is asked for, and makes no other rows', () => {
    const context = contextFor({ supportsVariablePaging: true });
    const { container, made } = list(25_000);
    const rows = variablesOf(context, container, { filter: 'indexed', start: 24_998, count: 100 });
    expect(rows.map(({ name, value }) => [name, value])).toEqual([
      ['[24998]', '0x61a6'],
      ['[24999]', '0x61a7'],
    ]);
    expect(made()).toBe(2);
    expect(variablesOf(context, container, { filter: 'named' })).toEqual([]);
    expect(variablesOf(context, container, { filter: 'indexed', start: 25_000, count: 5 })).toEqual([]);
  });

  test('comes in groups of at most a hundred to a client that asks for all at once', () => {
    const context = contextFor();
    const { container, made } = list(25_000);
    const open = (row: DebugProtocol.Variable | undefined): DebugProtocol.Variable[] =>
      variablesOf(context, context.handles.container(row?.variablesReference ?? 0) as Container, {});
    const top = variablesOf(context, container, {});
    expect(names(top)).toEqual(['[0..9999]', '[10000..19999]', '[20000..24999]']);
    expect(top[0]?.presentationHint?.kind).toBe('virtual');
    const middle = open(top[2]);
    expect(middle).toHaveLength(50);
    expect(made()).toBe(0);
    const last = open(middle[49]);
    expect(names(last)).toEqual(Array.from({ length: 100 }, (_, n) => `[${24_900 + n}]`));
    expect(variablesOf(context, list(100).container, {})).toHaveLength(100);
  });
});

test('a value that costs something is worked out when its row is opened', () => {
  const context = contextFor();
  let worked = 0;
  const children = (): Item[] => {
    worked++;
    return [{ name: 'rows', bits: 5n }];
  };
  const container = { vcpu: 0, path: 'x', items: (): Item[] => [{ name: 'rows', lazy: true, children }] };
  const [row] = variablesOf(context, container, {});
  expect(row).toMatchObject({ value: '', presentationHint: { lazy: true } });
  expect(worked).toBe(0);
  const opened = context.handles.container(row?.variablesReference ?? 0) as Container;
  expect(variablesOf(context, opened, {})).toMatchObject([{ name: 'rows', value: '0x5', variablesReference: 0 }]);
});

describe('numbers of trees', () => {
  const items = (): Item[] => [];

  test('are the same for the same path, also after the machine was started again', () => {
    const { handles } = contextFor();
    const first = handles.reference({ vcpu: 0, path: '1000/Registers', items });
    expect(handles.reference({ vcpu: 0, path: '1000/Flags', items })).not.toBe(first);
    expect(handles.reference({ vcpu: 0, path: '1000/Registers', items })).toBe(first);
    handles.forget();
    expect(handles.container(first)).toBeUndefined();
    expect(handles.reference({ vcpu: 0, path: '1000/Registers', items })).toBe(first);
  });

  test('without a path are new each time, and the oldest of many can no longer be opened', () => {
    const { handles } = contextFor();
    const kept = handles.reference({ vcpu: 0, path: '1000/Registers', items });
    const all = Array.from({ length: 5000 }, () => handles.reference({ vcpu: 0, items }));
    expect(new Set(all).size).toBe(5000);
    expect(handles.container(all[0] as number)).toBeUndefined();
    expect(handles.container(all[4999] as number)).toBeDefined();
    expect(handles.container(kept)).toBeDefined();
  });
});
