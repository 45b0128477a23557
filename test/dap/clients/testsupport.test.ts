/** Sessions by the protocol's own test support: its sequences and its assertions, on the adapter as a process. */

import { DebugClient } from '@vscode/debugadapter-testsupport';
import { afterEach, expect, test } from 'vitest';
import { useBundle } from '../../cli/bundle';

const bundle = useBundle();
const open: DebugClient[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.stop()));
});

const started = async (): Promise<DebugClient> => {
  const client = new DebugClient(process.execPath, bundle.adapter, 'ringside');
  client.defaultTimeout = 30_000;
  await client.start();
  open.push(client);
  return client;
};

const guest = `bits 64
start:  mov ecx, 2
.loop:  call put
        loop .loop
        mov al, 3
        out 0xf4, al
put:    mov al, 'x'
        out 0xe9, al
        ret
`;

test('launch, output, the end', async () => {
  const client = await started();
  const program = bundle.write('sequence.asm', guest);
  const [, , exited] = await Promise.all([
    client.configurationSequence(),
    client.launch({ program }),
    client.waitForEvent('exited'),
    client.assertOutput('stdout', 'xx'),
    client.waitForEvent('terminated'),
  ]);
  expect(exited.body).toEqual({ exitCode: 7 });
});

test('a breakpoint is hit, and steps come to their lines', async () => {
  const client = await started();
  const path = bundle.write('steps.asm', guest);
  await client.hitBreakpoint({ program: path }, { path, line: 3 });
  const step = (request: Promise<unknown>, line: number) =>
    Promise.all([request, client.assertStoppedLocation('step', { path, line })]);
  await step(client.stepInRequest({ threadId: 1 }), 7);
  await step(client.nextRequest({ threadId: 1 }), 8);
  await step(client.stepOutRequest({ threadId: 1 }), 4);
  await client.setBreakpointsRequest({ source: { path }, breakpoints: [{ line: 5, condition: 'ecx == 0' }] });
  await Promise.all([
    client.continueRequest({ threadId: 1 }),
    client.assertStoppedLocation('breakpoint', { path, line: 5 }),
  ]);
  const { body } = await client.evaluateRequest({ expression: 'ecx', frameId: 1000, context: 'watch' });
  expect(body.result).toMatch(/^0x0\b/);
});
