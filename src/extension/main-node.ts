/** The extension in VS Code on the desktop, or on a server. */

import { Worker } from 'node:worker_threads';
import * as vscode from 'vscode';
import { activateWith } from './activate';
import type { AdapterWorker } from './adapter-relay';

const startThread = (file: string): AdapterWorker => {
  const thread = new Worker(file);
  return {
    send: (message) => thread.postMessage(message),
    receive: (listener) => thread.on('message', listener),
    failed: (listener) => {
      thread.once('error', (error) => listener(error.message));
      thread.once('exit', (code) => listener(`the worker ended with status ${code}`));
    },
    end: () => void thread.terminate(),
  };
};

export const activate = (context: vscode.ExtensionContext): void => {
  const file = vscode.Uri.joinPath(context.extensionUri, 'dist', 'adapter.js').fsPath;
  activateWith(context, async () => startThread(file));
};
