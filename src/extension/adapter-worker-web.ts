/** The web worker: the machine, the debugger and its adapter, where all files come through the extension host. */

import { serveAdapter } from './adapter-service';
import type { FromWorker, Port, ToWorker } from './worker-messages';
import { WorkspaceFiles } from './workspace-files';

const host: Port<ToWorker, FromWorker> = {
  send: (message) => self.postMessage(message),
  receive: (listener) => self.addEventListener('message', (event) => listener((event as MessageEvent<ToWorker>).data)),
};

// The host hears of errors only, not of promises that nobody waited for.
self.addEventListener('unhandledrejection', ({ reason }) => {
  setTimeout(() => {
    throw reason;
  });
});

serveAdapter(host, new WorkspaceFiles(host));
