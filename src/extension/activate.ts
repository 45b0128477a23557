/** What Ringside adds to VS Code, the same on the desktop and in the browser. */

import * as vscode from 'vscode';
import { AdapterRelay, type AdapterWorker } from './adapter-relay';
import { registerDoctor } from './doctor';
import { configurationForFile, LaunchConfigurations } from './launch-configurations';
import { registerWhy } from './why';

/** @param startWorker starts the worker in which the machine and its debug adapter live, one for each session */
export const activateWith = (context: vscode.ExtensionContext, startWorker: () => Promise<AdapterWorker>): void => {
  /** Workers whose machines have no client, the last one last. */
  const left: AdapterWorker[] = [];
  context.subscriptions.push({
    dispose: () => {
      for (const worker of left.splice(0)) worker.end();
    },
  });
  registerDoctor(context);
  registerWhy(context);
  const { DebugConfigurationProviderTriggerKind: trigger } = vscode;
  const configurations = new LaunchConfigurations();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory('ringside', {
      createDebugAdapterDescriptor: async ({ configuration: { request, port, host } }) => {
        if (request === 'attach' && port !== undefined) return new vscode.DebugAdapterServer(port, host);
        // A worker without a machine says by itself that there is nothing to attach to.
        const worker = (request === 'attach' ? left.pop() : undefined) ?? (await startWorker());
        worker.send({ kind: 'client' });
        return new vscode.DebugAdapterInlineImplementation(new AdapterRelay(worker, (kept) => left.push(kept)));
      },
    }),
    vscode.debug.registerDebugConfigurationProvider('ringside', configurations, trigger.Initial),
    vscode.debug.registerDebugConfigurationProvider('ringside', configurations.dynamic, trigger.Dynamic),
    vscode.commands.registerCommand('ringside.debugFile', async (file?: vscode.Uri) => {
      const configuration = await configurationForFile(file);
      if (!configuration) return;
      const uri = file ?? vscode.window.activeTextEditor?.document.uri;
      await vscode.debug.startDebugging(uri && vscode.workspace.getWorkspaceFolder(uri), configuration);
    }),
  );
};
