/** Launch configurations where the user wrote none, or wrote less than the adapter needs. */

import * as vscode from 'vscode';
import { type MachineOption, machineOptions } from '../debugger/machine-options';
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
const configurationFor = (uri: vscode.Uri): vscode.DebugConfiguration => ({
  type: 'ringside',
  request: 'launch',
  name: `Debug ${uri.path.slice(uri.path.lastIndexOf('/') + 1)}`,
  program: nameOf(uri),
  stopOnEntry: !hasBreakpoint(uri),
});

/** For a file, by default the one in the active editor; undefined, and the user knows why, if there is none. */
export const configurationForFile = async (file?: vscode.Uri): Promise<vscode.DebugConfiguration | undefined> => {
  const uri = file ?? vscode.window.activeTextEditor?.document.uri;
  if (uri && uri.scheme !== 'untitled') return configurationFor(uri);
  await vscode.window.showInformationMessage(uri ? 'Save the program first.' : 'Open the program to debug first.');
  return undefined;
};

/** Attributes with the name of a file, or a list of names with arguments behind them. */
const options: readonly MachineOption[] = machineOptions;
const fileAttributes = ['program', ...options.filter(({ type }) => type === 'file').map(({ name }) => name)];
const symbolAttributes = options.filter(({ type }) => type === 'symbols').map(({ name }) => name);
const listAttributes = options.filter(({ type }) => type === 'texts').map(({ name }) => name);

/** `${file}` and relative paths become whole names: paths on the desktop, URIs elsewhere. */
const wholeName = (name: string, root: vscode.Uri | undefined): string => {
  if (name === '' || isUri(name)) return name;
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active?.fsPath === name) return nameOf(active);
  if (!root) return name;
  const absolute = name.startsWith('/') || /^[a-z]:[/\\]/i.test(name);
  if (absolute) return root.scheme === 'file' ? name : nameOf(root.with({ path: name }));
  return nameOf(vscode.Uri.joinPath(root, name));
};

export class LaunchConfigurations implements vscode.DebugConfigurationProvider {
  /** The list behind "Select and Start Debugging": the assembly files that are open. */
  readonly dynamic: vscode.DebugConfigurationProvider = {
    provideDebugConfigurations: () => {
      const open = vscode.workspace.textDocuments.map(({ uri }) => uri);
      return open.filter(({ scheme, path }) => scheme !== 'untitled' && assembly.test(path)).map(configurationFor);
    },
  };

  /** F5 without a launch.json gives an empty configuration. */
  async resolveDebugConfiguration(
    _folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    if (given.type || given.request || given.name) return given;
    const configuration = await configurationForFile();
    return configuration && { ...given, ...configuration };
  }

  resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): vscode.DebugConfiguration {
    const root = folder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
    const configuration = { ...given };
    for (const name of fileAttributes) {
      const value: unknown = given[name];
      if (typeof value === 'string') configuration[name] = wholeName(value, root);
    }
    for (const name of symbolAttributes) {
      const values: unknown = given[name];
      if (values === undefined) continue;
      configuration[name] = (Array.isArray(values) ? values : [values]).map((value: unknown) => {
        if (typeof value === 'string') return wholeName(value, root);
        if (typeof value !== 'object' || value === null || !('file' in value)) return value;
        return { ...value, file: wholeName(String(value.file), root) };
      });
    }
    for (const name of listAttributes) {
      const values: unknown = given[name];
      if (!Array.isArray(values)) continue;
      configuration[name] = values.map((value: unknown) =>
        typeof value === 'string' ? value.replace(/\S+/, (file) => wholeName(file, root)) : value,
      );
    }
    return configuration;
  }
}
