/** The pane of the program's own data. */

import { expect, test } from 'vitest';
import { scopesOf } from '../../src/debugger/inspect/scopes';
import { type Item, itemValue } from '../../src/debugger/item';
import { type Debugged, debug } from './guest-session';

const guest = `bits 64
start:  inc dword [number]
        hlt
        align 256
number: dd 0x1233
text:   db 'done', 10, 0
table:  dq start, 2, 3
`;

const dataOf = ({ session: { machine, info } }: Debugged): Item[] =>
  scopesOf(machine, machine.cpus[0] as never, info)
    .find(({ name }) => name === 'Data')
    ?.items() ?? [];

test('data is shown with the size of its line, as a text where it is one, and by the byte', async () => {
  const debugged = await debug(guest);
  expect(dataOf(debugged).map((item) => [item.name, item.type, itemValue(item)])).toEqual([
    ['number', 'u32', '0x1233'],
    ['text', 'u8[6]', '"done\\n"'],
    ['table', 'u8[24]', expect.stringMatching(/^00 00 10 00 00 00 00 00 02 /)],
  ]);
  const text = dataOf(debugged).find(({ name }) => name === 'text');
  expect(text?.children?.(1, 2).map(({ name, bits }) => [name, bits])).toEqual([
    ['[1]', 0x6fn],
    ['[2]', 0x6en],
  ]);
});

test('data changes with the guest, is marked then, and can be set by its expression', async () => {
  const debugged = await debug(guest);
  const { session } = debugged;
  dataOf(debugged);
  await session.step(0, 'into', 'instruction');
  expect(dataOf(debugged)[0]).toMatchObject({ bits: 0x1234n, mark: 'changed', settable: true });
  expect(dataOf(debugged)[0]?.expression).toBe('[number]:u32');
});

test('a program without data has no such pane', async () => {
  const debugged = await debug('bits 64\nstart: hlt\n');
  const { machine, info } = debugged.session;
  expect(scopesOf(machine, machine.cpus[0] as never, info).map(({ name }) => name)).not.toContain('Data');
});
