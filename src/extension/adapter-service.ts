/** The debug adapter at its end of the line to the extension host. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { Adapter } from '../dap/adapter';
import type { Files } from '../program/program';
import type { FromWorker, Port, ToWorker } from './worker-messages';

export const serveAdapter = (host: Port<ToWorker, FromWorker>, files: Files): void => {
  const adapter = new Adapter(files);
  adapter.onDidSendMessage((message) => host.send({ kind: 'protocol', message }));
  host.receive((message) => {
    if (message.kind === 'protocol') adapter.handleMessage(message.message as DebugProtocol.ProtocolMessage);
  });
};
