/** The command "Doctor": judges the VMCS dump in the editor, marks what is broken at its lines, and shows the report beside it. */

import * as vscode from 'vscode';
import { doctorDump } from '../debugger/doctor/dump-report';
import { BadInput } from '../program/program';
import type { Preset } from '../x86/cpuid';
import { presets } from '../x86/presets';
import { diagnosticsOf } from './doctor-diagnostics';

const SCHEME = 'ringside-doctor';

/** Reports by the path of their document; VS Code asks for the text when it shows one. */
class Reports implements vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;

  put(uri: vscode.Uri, text: string): void {
    this.texts.set(uri.path, text);
    this.changed.fire(uri);
  }
  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.path) ?? '';
  }
}

const chooseProcessor = async (): Promise<Preset | undefined> => {
  const able = presets.filter(({ vmx }) => vmx !== undefined);
  const picked = await vscode.window.showQuickPick(
    able.map((preset) => ({ label: preset.name, description: preset.title, preset })),
    { placeHolder: 'The processor that the dump comes from' },
  );
  return picked?.preset;
};

export const registerDoctor = (context: vscode.ExtensionContext): void => {
  const reports = new Reports();
  const problems = vscode.languages.createDiagnosticCollection('ringside doctor');
  context.subscriptions.push(
    problems,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, reports),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => problems.delete(uri)),
    vscode.commands.registerCommand('ringside.doctor', async (file?: vscode.Uri, cpu?: string) => {
      const document =
        file === undefined ? vscode.window.activeTextEditor?.document : await vscode.workspace.openTextDocument(file);
      if (document === undefined) {
        void vscode.window.showErrorMessage('Ringside: open a VMCS dump, or paste one into a new file, first.');
        return;
      }
      const preset = presets.find(({ name }) => name === cpu) ?? (await chooseProcessor());
      if (preset === undefined) return;
      try {
        const found = doctorDump(document.getText(), preset);
        problems.set(
          document.uri,
          diagnosticsOf(found).map(({ line, message, broken }) => {
            const mark = new vscode.Diagnostic(
              document.lineAt(line).range,
              message,
              broken ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning,
            );
            mark.source = 'ringside doctor';
            return mark;
          }),
        );
        const report = vscode.Uri.from({ scheme: SCHEME, path: `${document.uri.path}.report.txt` });
        reports.put(report, `${found.lines.join('\n')}\n`);
        const shown = await vscode.workspace.openTextDocument(report);
        await vscode.window.showTextDocument(shown, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
      } catch (error) {
        if (!(error instanceof BadInput)) throw error;
        problems.delete(document.uri);
        void vscode.window.showErrorMessage(`Ringside: ${error.message}`);
      }
    }),
  );
};
