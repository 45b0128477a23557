/** The worker thread of the desktop: the machine, the debugger and its adapter. Files come from the disk. */

import { parentPort } from 'node:worker_threads';
import '../cli/tune-v8';
import { DiskFiles } from '../cli/files-node';
import type { Files } from '../program/program';
import { serveAdapter } from './adapter-service';
import type { FromWorker, Port, ToWorker } from './worker-messages';
import { isUri, WorkspaceFiles } from './workspace-files';

if (!parentPort) throw new Error('this is a worker of the Ringside extension; the command is `ringside dap`');
const port = parentPort;

const host: Port<ToWorker, FromWorker> = {
  send: (message) => port.postMessage(message),
  receive: (listener) => port.on('message', listener),
};
const disk = new DiskFiles();
const workspace = new WorkspaceFiles(host);

/** A folder that is open need not be on the disk: only what is named by a URI is asked of the host. */
const files: Files = {
  read: (path) => (isUri(path) ? workspace : disk).read(path),
  resolve: (from, path) => (isUri(from) || isUri(path) ? workspace : disk).resolve(from, path),
};

serveAdapter(host, files);
