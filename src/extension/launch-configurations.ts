/** Launch configurations where the user wrote none, or wrote less than the adapter needs. */

import * as vscode from 'vscode';
import { isUri } from './workspace-files';

const assembly = /\.(asm|nasm)$/i;

/** On the desktop programs are paths; elsewhere only a URI says where a file is. */
const nameOf = (uri: vscode.Uri): string => (uri.scheme === 'file' ? uri.fsPath : uri.toString());

const hasBreakpoint = (uri: vscode.Uri): boolean =>
  vscode.debug.breakpoints.some(
    (breakpoint) =>
      breakpoint instanceof vscode.SourceBreakpoint &&
      breakpoint.enabled &&
      breakpoint.location.uri.toString() === uri.toString(),
  );

/** Debugs one file; it stops at its first instruction if it would not stop anywhere else. */
export const configurationFor = (uri: vscode.Uri): vscode.DebugConfiguration => ({
  type: 'ringside',
  request: 'launch',
  name: `Debug ${uri.path.slice(uri.path.lastIndexOf('/') + 1)}`,
  program: nameOf(uri),
  stopOnEntry: !hasBreakpoint(uri),
});

export class LaunchConfigurations implements vscode.DebugConfigurationProvider {
  /** The list behind "Select and Start Debugging": the assembly files that are open. */
  readonly dynamic: vscode.DebugConfigurationProvider = {
    provideDebugConfigurations: () => {
      const open = vscode.workspace.textDocuments.filter((document) => assembly.test(document.uri.path));
      return open.map((document) => configurationFor(document.uri));
    },
  };

  /** F5 without a launch.json gives an empty configuration. */
  resolveDebugConfiguration(
    _folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): vscode.ProviderResult<vscode.DebugConfiguration> {
    if (configuration.type || configuration.request || configuration.program) return configuration;
    const file = vscode.window.activeTextEditor?.document.uri;
    if (file) return { ...configurationFor(file), ...(configuration.noDebug ? { noDebug: true } : {}) };
    return vscode.window.showInformationMessage('Open the program to debug first.').then(() => undefined);
  }

  /** `${file}` and relative paths become whole names: paths on the desktop, URIs elsewhere. */
  resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    configuration: vscode.DebugConfiguration,
  ): vscode.DebugConfiguration {
    const { program } = configuration;
    if (typeof program !== 'string' || program === '' || isUri(program)) return configuration;
    const active = vscode.window.activeTextEditor?.document.uri;
    if (active && active.fsPath === program) return { ...configuration, program: nameOf(active) };
    const root = folder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
    if (!root) return configuration;
    const absolute = program.startsWith('/') || /^[a-z]:[/\\]/i.test(program);
    if (absolute)
      return root.scheme === 'file'
        ? configuration
        : { ...configuration, program: nameOf(root.with({ path: program })) };
    return { ...configuration, program: nameOf(vscode.Uri.joinPath(root, program)) };
  }
}
