/** VT-x through the protocol: filters with conditions, why it stopped, the VMCS as a tree, and edits of it. */

import { readFileSync } from 'node:fs';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { expect, test } from 'vitest';
import { type Client, useGuests } from './client';

const { open } = useGuests();
const minimal = readFileSync(new URL('../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

const launchWith = async (filterOptions: readonly object[], source = minimal): Promise<Client> => {
  const client = await open(source);
  await client.launch({}, () => client.request('setExceptionBreakpoints', { filters: [], filterOptions }));
  return client;
};

test('the filters of VT-x are offered, with conditions', async () => {
  const client = await open(minimal);
  const { body } = await client.dap.initializeRequest({ adapterID: 'test' });
  const labels = body?.exceptionBreakpointFilters?.filter(({ supportsCondition }) => supportsCondition);
  expect(labels?.map(({ label }) => label)).toEqual(
    expect.arrayContaining([
      'VM exit',
      'VM entry',
      'VM-entry failure',
      'VM-instruction failure',
      'EPT violation',
      'EPT misconfiguration',
    ]),
  );
});

test('the filter "VM exit" stops where its condition on reason and registers holds, and tells why', async () => {
  const client = await launchWith([{ filterId: 'vmexit', condition: 'reason == CPUID && rax == 0' }]);
  const stop = await client.stopped();
  expect(stop).toMatchObject({
    reason: 'exception',
    description: 'Paused on VM exit: CPUID',
    text: expect.stringMatching(
      /^VM exit 10 CPUID: CPUID was executed; it always exits: no control decides; guest at 0x[0-9a-f]+ guest\+0x2 \(64-bit, ring 0\)$/,
    ),
  });
  expect(await client.request('exceptionInfo', { threadId: 1 })).toMatchObject({
    exceptionId: 'VM exit: CPUID',
    description: stop.text,
    details: { typeName: 'vmexit', message: expect.stringMatching(/./) },
  });
  expect((await client.stack())[0]?.name).toMatch(/^exit/);
});

test('the deciding control is named with its bit', async () => {
  const client = await launchWith([{ filterId: 'vmexit', condition: 'reason == HLT' }]);
  expect((await client.stopped()).text).toContain('"HLT exiting" (primary control bit 7) is 1');
});

test('a diff in the console is a tree, also where one field differs', async () => {
  const client = await launchWith([{ filterId: 'vmexit' }]);
  await client.stopped();
  await client.request('next', { threadId: 1 });
  await client.stopped();
  await client.request('evaluate', { expression: 'GUEST_RSP = 0x2000', context: 'repl', frameId: 1000 });
  const diff = await client.request('evaluate', { expression: 'vmcs diff', context: 'repl', frameId: 1000 });
  expect(diff.result).toBe('since the last stop');
  const rows = await client.rows(diff.variablesReference);
  expect(rows).toMatchObject([{ name: 'GUEST_RSP', value: expect.stringMatching(/-> 0x2000$/) }]);
});

test('a field is read and set in the scope VMCS, with the rules of VMWRITE', async () => {
  const client = await launchWith([{ filterId: 'vmexit' }]);
  await client.stopped();
  const rows = await client.scope('VMCS');
  const group = rows.find(({ name }) => name === 'Guest state')?.variablesReference ?? 0;
  const field = (await client.rows(group)).find(({ name }) => name === 'GUEST_RSP');
  expect(field).toMatchObject({ evaluateName: 'GUEST_RSP' });
  const set = (name: string, value: string) =>
    client.dap.setVariableRequest({ variablesReference: group, name, value });
  expect((await set('GUEST_RSP', '0x1230')).body.value).toMatch(/^0x1230/);
  expect((await client.dap.evaluateRequest({ expression: 'GUEST_RSP', context: 'watch' })).body.result).toMatch(
    /^0x1230/,
  );
  await expect(set('GUEST_ES_SELECTOR', '0x12345')).rejects.toThrow('does not fit');
});

test('a hover shows a field as the scope does', async () => {
  const client = await launchWith([{ filterId: 'vmexit' }]);
  await client.stopped();
  const { body } = await client.dap.evaluateRequest({ expression: 'VM_EXIT_REASON', context: 'hover' });
  expect(body.result).toBe('0xa CPUID');
  const names = (await client.rows(body.variablesReference)).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['basic', 'entry_failure', 'encoding', 'written by']));
});

test('a refused entry stops at its own filter', async () => {
  const source = minimal.replace('dq 0x6820, 2 ', 'dq 0x6820, 0 ');
  const client = await launchWith([{ filterId: 'vmentry-failure' }], source);
  expect(await client.stopped()).toMatchObject({ reason: 'exception', text: expect.stringContaining('guest-state') });
});

const broken = readFileSync(new URL('../../examples/vmx/broken.asm', import.meta.url), 'utf8');

test.each([
  ['vmfail', 'VM-instruction error 7: VM entry with invalid control field(s)'],
  ['vmentry-failure', 'VM entry refused by control.cr3-target-count'],
])(
  'at the filter %s the report of the doctor is a group in the console, and details of the exception',
  async (filterId, exceptionId) => {
    const client = await open(broken);
    const outputs: DebugProtocol.OutputEvent['body'][] = [];
    client.dap.on('output', ({ body }: DebugProtocol.OutputEvent) => outputs.push(body));
    await client.launch({}, () => client.request('setExceptionBreakpoints', { filters: [filterId] }));
    const stop = await client.stopped();
    expect(stop).toMatchObject({ reason: 'exception', description: `Paused on ${exceptionId}` });
    const [first, ...rest] = outputs.filter(({ category }) => category === 'console');
    expect(first).toMatchObject({
      group: 'start',
      output: expect.stringMatching(/^3 of \d+ rules are broken: .*error 7/),
    });
    expect(rest.at(-1)).toMatchObject({ group: 'end' });
    const report = rest.map(({ output }) => output).join('');
    for (const rule of ['control.cr3-target-count', 'host.tr.selector.not-null', 'guest.interruptibility.sti-needs-if'])
      expect(report).toContain(rule);
    expect(report).toContain('to mend it: CR3_TARGET_COUNT = 0x4');
    const info = await client.request('exceptionInfo', { threadId: 1 });
    expect(info).toMatchObject({ exceptionId, breakMode: 'always', details: { typeName: filterId } });
    // The same report as in the console.
    expect(`${info.details?.stackTrace}\n`).toBe(`${first?.output}${report}`);
  },
);

test('a failed entry that nobody asked for stops nothing, and there is no exception to tell of', async () => {
  const client = await open(broken);
  await client.launch({ stopOnEntry: true });
  await client.stopped();
  await expect(client.request('exceptionInfo', { threadId: 1 })).rejects.toThrow(/^there was no exception/);
  await client.dap.continueRequest({ threadId: 1 });
  expect(await client.event('exited')).toEqual({ exitCode: 15 });
});
