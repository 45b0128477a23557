import { expect, test } from 'vitest';
import type { FromWorker, ToWorker } from '../../src/extension/worker-messages';
import { WorkspaceFiles } from '../../src/extension/workspace-files';

const connect = () => {
  const sent: FromWorker[] = [];
  const listeners: ((message: ToWorker) => void)[] = [];
  const files = new WorkspaceFiles({
    send: (message) => sent.push(message),
    receive: (listener) => listeners.push(listener),
  });
  const answer = (message: ToWorker) => {
    for (const listener of listeners) listener(message);
  };
  return { files, sent, answer };
};

test('a file is asked for by its URI and answered by its number, in any order', async () => {
  const { files, sent, answer } = connect();
  const first = files.read('vscode-remote://host/a.asm');
  const second = files.read('vscode-remote://host/b.asm');
  expect(sent).toEqual([
    { kind: 'read', request: 1, uri: 'vscode-remote://host/a.asm' },
    { kind: 'read', request: 2, uri: 'vscode-remote://host/b.asm' },
  ]);
  answer({ kind: 'file', request: 2, bytes: Uint8Array.of(2) });
  answer({ kind: 'no-file', request: 1, why: 'vscode-remote://host/a.asm: cannot be read (FileNotFound)' });
  expect(await second).toEqual(Uint8Array.of(2));
  await expect(first).rejects.toThrow('vscode-remote://host/a.asm: cannot be read (FileNotFound)');
});

test.each([
  ['vscode-remote://host:1/src/a.asm', 'b.inc', 'vscode-remote://host:1/src/b.inc'],
  ['vscode-remote://host:1/src/a.asm', './sub/../b.inc', 'vscode-remote://host:1/src/b.inc'],
  ['vscode-remote://host:1/src/a.asm', '../b c.inc', 'vscode-remote://host:1/b%20c.inc'],
  ['vscode-remote://host:1/src/a.asm', '/other/b.inc', 'vscode-remote://host:1/other/b.inc'],
  ['vscode-remote://host:1/src/a.asm', 'file:///b.inc', 'file:///b.inc'],
  ['file:///a.asm', 'b.inc', 'file:///b.inc'],
  ['vscode-remote://host:1/my%20files/a.asm', 'b.inc', 'vscode-remote://host:1/my%20files/b.inc'],
])('from %s, %s is %s', (from, path, expected) => {
  expect(connect().files.resolve(from, path)).toBe(expected);
});
