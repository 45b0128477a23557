/** The panes through the protocol: every row can be opened, what is deep down can be set, refusals are one line. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { describe, expect, test } from 'vitest';
import { type Client, useGuests } from './client';

const { open } = useGuests();

type Row = DebugProtocol.Variable;

const guest = `
bits 64
        mov [0x250000], rax
here:   inc rbx ; #HERE
        jmp here
`;

const atHere = async (): Promise<Client> => {
  const client = await open(guest);
  await client.launch({}, () => client.breakAt('HERE'));
  await client.stopped();
  return client;
};

/** The row at a path, and the reference of what it lies in. */
const rowAt = async (
  client: Client,
  scope: string,
  ...path: readonly string[]
): Promise<{ row: Row; parent: number }> => {
  const { body } = await client.dap.scopesRequest({ frameId: 1000 });
  let parent = body.scopes.find(({ name }) => name === scope)?.variablesReference ?? 0;
  let row: Row | undefined;
  for (const [index, name] of path.entries()) {
    if (index > 0) parent = row?.variablesReference ?? 0;
    row = (await client.rows(parent)).find((one) => one.name === name);
  }
  if (row === undefined) throw new Error(`there is no ${path.join('/')} in ${scope}`);
  return { row, parent };
};

const set = async (client: Client, value: string, scope: string, ...path: readonly string[]): Promise<string> => {
  const { row, parent } = await rowAt(client, scope, ...path);
  const { body } = await client.dap.setVariableRequest({ variablesReference: parent, name: row.name, value });
  return body.value;
};

test('every row opens, and its reference is the same at the next stop', async () => {
  const client = await atHere();
  const references = async (): Promise<Map<string, number>> => {
    const found = new Map<string, number>();
    const open = async (reference: number, path: string): Promise<void> => {
      if (reference === 0 || found.size > 3000) return;
      found.set(path, reference);
      for (const row of await client.rows(reference)) await open(row.variablesReference, `${path}/${row.name}`);
    };
    const { body } = await client.dap.scopesRequest({ frameId: 1000 });
    for (const { name, variablesReference } of body.scopes) await open(variablesReference, name);
    return found;
  };
  const before = await references();
  expect(before.size).toBeGreaterThan(150);
  await client.go('next');
  await client.go('next');
  const after = await references();
  expect([...after].filter(([path]) => !path.startsWith('Faults'))).toEqual(
    [...before].filter(([path]) => !path.startsWith('Faults')),
  );
});

describe('what is set in a pane', () => {
  test.each([
    ['a bit of a control register', '1', '0x1', ['Control registers & MSRs', 'cr4', 'SMEP']],
    ['a part of a general register', '0x77', '0x77', ['Registers', 'rdx', 'dl']],
    ['the hidden base of a segment', '0x1000', '0x1000', ['Segments', 'fs', 'fs.base']],
    ['a field of a descriptor', '3', '0x3 descriptor privilege level', ['Descriptor tables', 'gdt', '0x8', 'dpl']],
    ['a bit of a page directory entry', '0', '0x0 writes allowed', ['Paging', 'rsp', 'PDE', 'rw']],
    ['a mask of the 8259', '0', '0x0', ['Interrupts', 'pic', 'line 4', 'masked']],
    ['a bit of a device', '1', '0x1 divisor latch access', ['Devices', 'com1', 'LCR', 'dlab']],
  ])('%s', async (_, value, answer, [scope = '', ...path]) => {
    const client = await atHere();
    expect(await set(client, value, scope, ...path)).toMatch(new RegExp(`^${answer}`));
    expect((await rowAt(client, scope, ...path)).row.value).toMatch(new RegExp(`^${answer}`));
  });

  test('is refused in one line that names the rule', async () => {
    const client = await atHere();
    for (const [value, rule, scope, ...path] of [
      ['0', '[cr0.pg-in-64-bit-mode]', 'Control registers & MSRs', 'cr0', 'PG'],
      ['0x50', '[selector.beyond-limit]', 'Segments', 'ds'],
      ['2', 'does not fit into gdt.0x8.p, which has one bit', 'Descriptor tables', 'gdt', '0x8', 'p'],
      ['1', 'cannot be set', 'Interrupts', 'next'],
    ] as const) {
      const answer = set(client, value, scope, ...path);
      await expect(answer).rejects.toThrow(rule);
      await expect(answer).rejects.not.toThrow('\n');
    }
  });

  test('a translation is dropped by setting its being valid to 0', async () => {
    const client = await atHere();
    const name = '0x200000 PCID 0 2 MiB';
    await set(client, '0', 'TLB', 'data', name, 'valid');
    await expect(rowAt(client, 'TLB', 'data', name)).rejects.toThrow('there is no');
  });
});
