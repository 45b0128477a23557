/** The debug adapter at its end of the line to the extension host. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { Adapter } from '../dap/adapter';
import { LeftMachines } from '../dap/left-machines';
import type { Files } from '../program/program';
import type { FromWorker, Port, ToWorker } from './worker-messages';

export const serveAdapter = (host: Port<ToWorker, FromWorker>, files: Files): void => {
  const left = new LeftMachines(() => host.send({ kind: 'stays' }));
  const serve = (): Adapter => {
    const adapter = new Adapter(files, left);
    adapter.onDidSendMessage((message) => host.send({ kind: 'protocol', message }));
    return adapter;
  };
  let adapter = serve();
  host.receive((message) => {
    if (message.kind === 'client') {
      adapter.dispose();
      adapter = serve();
    } else if (message.kind === 'protocol') adapter.handleMessage(message.message as DebugProtocol.ProtocolMessage);
  });
};
