/** Guest and host through the protocol: the call stack across an exit, `why`, and lints. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { useGuests } from './client';

const { open } = useGuests();
const minimal = readFileSync(new URL('../../examples/vmx/minimal.asm', import.meta.url), 'utf8');

const atExit = async () => {
  const client = await open(minimal);
  await client.launch({}, () =>
    client.request('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'vmexit' }] }),
  );
  await client.stopped();
  return client;
};

test('after an exit the guest stands below its hypervisor, behind a label, in its own address space', async () => {
  const client = await atExit();
  const frames = await client.stack();
  expect(frames.map(({ name }) => name)).toEqual([
    'exit (root, 64-bit, ring 0)',
    '[VM exit from the guest, ring 0]',
    expect.stringMatching(/^guest\+0x2 \(guest, 64-bit, ring 0\)$/),
  ]);
  expect(frames[2]?.instructionPointerReference).toMatch(/^guest:0x/);
  expect(frames[2]?.line).toBeGreaterThan(0);
});

test('`why` is evaluated as an expression and as a command', async () => {
  const client = await atExit();
  const evaluate = async (expression: string, context: string) =>
    (await client.request('evaluate', { expression, context })).result as string;
  expect(await evaluate("why('last')", 'hover')).toContain('VM exit 10 CPUID');
  expect(await evaluate("why('next')", 'watch')).toContain('root operation');
  expect(await evaluate('why last', 'repl')).toContain('VM exit 10 CPUID');
  // The evidence that the command of the extension puts below it.
  const { variablesReference } = await client.request('evaluate', { expression: 'why last', context: 'repl' });
  expect((await client.rows(variablesReference)).map(({ name }) => name)).toContain('exit reason');
  await expect(client.request('evaluate', { expression: 'why never', context: 'repl' })).rejects.toThrow(
    'why takes last, next',
  );
});

test('pointing at the mnemonic of the instruction that exited, or of the next one, tells why', async () => {
  const client = await atExit();
  const [host, , guest] = await client.stack();
  const hover = async (expression: string, line?: number) =>
    (await client.request('evaluate', { expression, context: 'hover', ...(line === undefined ? {} : { line }) }))
      .result;
  expect(await hover('cpuid')).toContain('VM exit 10 CPUID');
  expect(await hover('CPUID', guest?.line)).toContain('it always exits');
  expect(await hover('mov', host?.line)).toContain('no VM exit: the vCPU is in root operation');
  await expect(hover('cpuid', (guest?.line ?? 0) + 1)).rejects.toThrow('cpuid');
  await expect(hover('vmxoff')).rejects.toThrow('vmxoff');
});

test("the guest's frame has the registers of the VMCS, which the panes cannot set, and its own memory", async () => {
  const client = await atExit();
  const [, , guest] = await client.stack();
  const { scopes } = await client.request('scopes', { frameId: guest?.id });
  expect(scopes.map(({ name }: { name: string }) => name)).toEqual([
    'Registers',
    'Flags',
    'Segments',
    'Control registers & MSRs',
    'Descriptor tables',
    'Paging',
  ]);
  const rows = await client.rows(scopes[0].variablesReference);
  const rip = rows.find(({ name }) => name === 'rip');
  const evaluate = async (expression: string, frameId = guest?.id) =>
    await client.request('evaluate', { expression, frameId, context: 'watch' });
  expect(rip?.value).toBe((await evaluate('rip')).result);
  expect((await evaluate('rip == GUEST_RIP')).result).toMatch(/^0x1/);
  expect((await evaluate('rip')).memoryReference).toMatch(/^guest:/);
  expect(rip?.presentationHint?.attributes).toContain('readOnly');
  await expect(client.request('setExpression', { expression: 'rip', value: '0', frameId: guest?.id })).rejects.toThrow(
    'rip of the guest is in its VMCS: set GUEST_RIP',
  );
});
