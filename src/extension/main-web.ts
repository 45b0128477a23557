/** The extension in VS Code for the Web, where there is no Node, no disk and no thread but a web worker. */

import * as vscode from 'vscode';
import { activateWith } from './activate';
import type { AdapterWorker } from './adapter-relay';

const startWorker = (url: string): AdapterWorker => {
  const worker = new Worker(url);
  return {
    send: (message) => worker.postMessage(message),
    receive: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
    failed: (listener) => worker.addEventListener('error', ({ message }) => listener(message)),
    end: () => worker.terminate(),
  };
};

export const activate = (context: vscode.ExtensionContext): void => {
  const file = vscode.Uri.joinPath(context.extensionUri, 'dist', 'adapter.web.js');
  let url: string | undefined;
  context.subscriptions.push({ dispose: () => url && URL.revokeObjectURL(url) });
  activateWith(context, async () => {
    // A worker may only come from its own origin: the extension's files may lie elsewhere, a blob never does.
    url ??= URL.createObjectURL(
      new Blob([new Uint8Array(await vscode.workspace.fs.readFile(file))], { type: 'text/javascript' }),
    );
    return startWorker(url);
  });
};
