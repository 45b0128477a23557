/** The same adapter as a process on stdin and stdout, and on a TCP port. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import { expect, test } from 'vitest';
import { useBundle } from '../cli/bundle';
import { spawned, useGuests } from './client';

const bundle = useBundle();
const { open } = useGuests();

test('`ringside dap` serves a session on stdin and stdout', async () => {
  const client = await open('bits 64\nmov al, 0x41\nout 0xe9, al\nmov al, 3 ; #HERE\nout 0xf4, al\n', () =>
    spawned(bundle),
  );
  await client.launch({}, () => client.breakAt('HERE'));
  expect(await client.stopped()).toMatchObject({ reason: 'breakpoint' });
  expect(client.output).toBe('A');
  expect(await client.register('rax')).toBe('0x41');
  await client.dap.continueRequest({ threadId: 1 });
  expect(await client.event('exited')).toEqual({ exitCode: 7 });
});

test('the process ends when its client disconnects, though the stream stays open', async () => {
  const child = spawn(process.execPath, [bundle.command, 'dap']);
  try {
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const send = (text: string) => child.stdin.write(`Content-Length: ${text.length}\r\n\r\n${text}`);
    send('{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}');
    send('{"seq":2,"type":"request","command":"disconnect"}');
    expect(await ended).toBe(0);
  } finally {
    child.kill();
  }
});

test('`ringside dap --port 0` serves one client after another on 127.0.0.1', async () => {
  const child = spawn(process.execPath, [bundle.command, 'dap', '--port', '0']);
  try {
    const port = await new Promise<number>((resolve) => {
      child.stderr.on('data', (data: Buffer) => resolve(Number(/127\.0\.0\.1:(\d+)/.exec(data.toString())?.[1])));
    });
    for (let n = 0; n < 2; n++) {
      const dap = new DebugClient('', '', 'ringside');
      await dap.start(port);
      const { body } = await dap.initializeRequest();
      expect(body?.supportsDisassembleRequest).toBe(true);
      const entry = dap.waitForEvent('stopped');
      await dap.launchRequest({
        program: join(import.meta.dirname, '../../examples/hello.asm'),
        stopOnEntry: true,
      } as never);
      await dap.configurationDoneRequest();
      expect((await entry).body).toMatchObject({ reason: 'entry' });
      await dap.disconnectRequest({});
    }
  } finally {
    child.kill();
  }
});

test('a message that is no JSON, and a request without its arguments, end nothing', async () => {
  const child = spawn(process.execPath, [bundle.command, 'dap']);
  try {
    let said = '';
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    const send = (text: string) => child.stdin.write(`Content-Length: ${text.length}\r\n\r\n${text}`);
    send('{bad js');
    send('{"seq":1,"type":"request","command":"setDataBreakpoints","arguments":{}}');
    send('{"seq":2,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}');
    await expect.poll(() => said, { timeout: 10_000 }).toContain('"request_seq":2');
    expect(said).toContain('a message cannot be read: ');
    expect(said).toContain('the request setDataBreakpoints needs the argument breakpoints');
    expect(said).not.toContain('internal error');
  } finally {
    child.kill();
  }
});
