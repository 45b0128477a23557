/** What Ringside adds to VS Code, the same on the desktop and in the browser. */

import * as vscode from 'vscode';
import { AdapterRelay, type AdapterWorker } from './adapter-relay';
import { configurationForFile, LaunchConfigurations } from './launch-configurations';

/** @param startWorker starts the worker in which the machine and its debug adapter live, one for each session */
export const activateWith = (context: vscode.ExtensionContext, startWorker: () => Promise<AdapterWorker>): void => {
  const { DebugConfigurationProviderTriggerKind: trigger } = vscode;
  const configurations = new LaunchConfigurations();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory('ringside', {
      createDebugAdapterDescriptor: async () =>
        new vscode.DebugAdapterInlineImplementation(new AdapterRelay(await startWorker())),
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
