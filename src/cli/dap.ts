/**
 * `ringside dap`: the debug adapter on stdin and stdout, or on a TCP port for any number of clients, where a machine
 * can outlive its client and be attached to by the next.
 */

import { type AddressInfo, createServer } from 'node:net';
import { Adapter } from '../dap/adapter';
import { LeftMachines } from '../dap/left-machines';
import { readInteger } from '../debugger/machine-options';
import { BadInput } from '../program/program';
import type { Run } from './dispatch';
import { DiskFiles } from './files-node';

const LARGEST_PORT = 65535n;

export const dap: Run = ({ values }) => {
  const port = values.get('--port');
  return port === undefined ? serveStandardStreams() : serveTcp(readPort(port));
};

const serveStandardStreams = (): Promise<number> =>
  new Promise((resolve) => {
    const adapter = new Adapter(new DiskFiles());
    adapter.onEnd = () => {
      // A client that has said goodbye may leave the stream open.
      process.stdin.destroy();
      resolve(0);
    };
    process.stdin.on('end', () => {
      adapter.dispose();
      resolve(0);
    });
    adapter.start(process.stdin, process.stdout);
  });

const readPort = (text: string): number => {
  const port = readInteger(text);
  if (port === undefined || port > LARGEST_PORT)
    throw new BadInput(`--port ${text}: a number from 0 to 65535 is wanted`);
  return Number(port);
};

const serveTcp = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const left = new LeftMachines();
    const server = createServer((socket) => {
      const adapter = new Adapter(new DiskFiles(), left);
      adapter.onEnd = () => socket.end();
      socket.on('close', () => adapter.dispose());
      socket.on('error', () => socket.destroy());
      adapter.start(socket, socket);
    });
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(new BadInput(`--port ${port}: cannot be listened on (${error.code ?? error.message})`)),
    );
    server.listen(port, '127.0.0.1', () => {
      process.stderr.write(`ringside: listening on 127.0.0.1:${(server.address() as AddressInfo).port}\n`);
    });
    process.once('SIGINT', () => {
      server.close();
      resolve(130);
      setImmediate(() => process.exit());
    });
  });
