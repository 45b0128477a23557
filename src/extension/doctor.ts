/**
 * The command "Doctor": judges the VMCS dump in the editor, marks what is broken at its lines, and shows the report beside it.
 * Both follow what is edited in the dump, as long as it is open.
 */

import * as vscode from 'vscode';
import { type DumpReport, doctorDump } from '../debugger/doctor/dump-report';
import { readCpuFile } from '../program/cpu-file';
import { BadInput } from '../program/program';
import type { Preset } from '../x86/cpuid';
import { presets } from '../x86/presets';
import { diagnosticsOf, type Mark } from './doctor-diagnostics';

const SCHEME = 'ringside-doctor';
/** The language of reports, for which package.json sets how the editor shows them. */
const LANGUAGE = 'ringside-report';

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
  const choices: (vscode.QuickPickItem & { readonly preset?: Preset })[] = [
    ...able.map((preset) => ({ label: preset.name, description: preset.title, preset })),
    { label: 'a file…', description: 'Your own processor: output of rdmsr and cpuid -r' },
  ];
  const picked = await vscode.window.showQuickPick(choices, { placeHolder: 'The processor that the dump comes from' });
  return picked === undefined ? undefined : (picked.preset ?? (await processorOfFile()));
};

/** A processor of the user's, or undefined and a message. */
const processorOfFile = async (): Promise<Preset | undefined> => {
  const [file] = (await vscode.window.showOpenDialog({ title: 'Processor', openLabel: 'Take' })) ?? [];
  if (file === undefined) return undefined;
  try {
    return readCpuFile(new TextDecoder().decode(await vscode.workspace.fs.readFile(file)), file.path);
  } catch (error) {
    void vscode.window.showErrorMessage(`Ringside: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
};

/** What is broken first: an editor shows the beginning of a text. */
const reportOf = ({ title, findings, decoded }: DumpReport): string =>
  [title, '', ...findings, '', ...decoded].join('\n');

const markOf = (document: vscode.TextDocument, { line, message, broken }: Mark): vscode.Diagnostic => {
  const { firstNonWhitespaceCharacterIndex: from, range } = document.lineAt(line);
  const severity = broken ? vscode.DiagnosticSeverity.Error : vscode.DiagnosticSeverity.Warning;
  const mark = new vscode.Diagnostic(range.with(range.start.with({ character: from })), message, severity);
  mark.source = 'ringside doctor';
  return mark;
};

/** The dumps that are open and judged. */
class Patients {
  private readonly processors = new Map<string, Preset>();
  private readonly reports = new Reports();
  private readonly problems = vscode.languages.createDiagnosticCollection('ringside doctor');
  readonly subscriptions: vscode.Disposable[] = [
    this.problems,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, this.reports),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      const preset = this.processors.get(document.uri.toString());
      if (preset !== undefined) this.judge(document, preset);
    }),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => {
      this.processors.delete(uri.toString());
      this.problems.delete(uri);
    }),
  ];

  async admit(document: vscode.TextDocument, preset: Preset): Promise<void> {
    const refusal = this.judge(document, preset);
    if (refusal !== undefined) {
      void vscode.window.showErrorMessage(`Ringside: ${refusal}`);
      return;
    }
    this.processors.set(document.uri.toString(), preset);
    const report = await vscode.workspace.openTextDocument(reportUri(document));
    await vscode.languages.setTextDocumentLanguage(report, LANGUAGE);
    await vscode.window.showTextDocument(report, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
  }

  /** @returns why it cannot be judged */
  private judge(document: vscode.TextDocument, preset: Preset): string | undefined {
    try {
      const found = doctorDump(document.getText(), preset);
      const marks = diagnosticsOf(found).map((mark) => markOf(document, mark));
      this.problems.set(document.uri, marks);
      this.reports.put(reportUri(document), reportOf(found));
      return undefined;
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      this.problems.delete(document.uri);
      this.reports.put(reportUri(document), `${error.message}\n`);
      return error.message;
    }
  }
}

const reportUri = ({ uri }: vscode.TextDocument): vscode.Uri =>
  vscode.Uri.from({ scheme: SCHEME, path: `${uri.path}.report.txt` });

export const registerDoctor = (context: vscode.ExtensionContext): void => {
  const patients = new Patients();
  context.subscriptions.push(
    ...patients.subscriptions,
    vscode.commands.registerCommand('ringside.doctor', async (file?: vscode.Uri, cpu?: string) => {
      const document =
        file === undefined ? vscode.window.activeTextEditor?.document : await vscode.workspace.openTextDocument(file);
      if (document === undefined) {
        void vscode.window.showErrorMessage('Ringside: open a VMCS dump, or paste one into a new file, first.');
        return;
      }
      const preset = presets.find(({ name }) => name === cpu) ?? (await chooseProcessor());
      if (preset !== undefined) await patients.admit(document, preset);
    }),
  );
};
