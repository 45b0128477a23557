/** The command "Why?": explains the stop, the last instruction or the next one in the debug console. */

import * as vscode from 'vscode';

const questions = [
  { label: 'Why did it stop here?', command: 'why' },
  { label: 'Why did the last instruction exit, not exit, or fail?', command: 'why last' },
  { label: 'What will the next instruction do, and why?', command: 'why next' },
];

/** What the debug console answers, and the evidence that one can unfold there. */
const answerOf = async (session: vscode.DebugSession, command: string): Promise<string[]> => {
  const { result, variablesReference } = await session.customRequest('evaluate', {
    expression: command,
    context: 'repl',
  });
  if (!variablesReference) return [result];
  const { variables } = await session.customRequest('variables', { variablesReference });
  const evidence = variables as readonly { readonly name: string; readonly value: string }[];
  return [result, ...evidence.map(({ name, value }) => `  ${name}: ${value}`)];
};

const ask = async (): Promise<void> => {
  const session = vscode.debug.activeDebugSession;
  if (session?.type !== 'ringside') {
    void vscode.window.showInformationMessage('Ringside answers while it debugs a program that is stopped.');
    return;
  }
  const question = await vscode.window.showQuickPick(questions);
  if (question === undefined) return;
  try {
    for (const line of await answerOf(session, question.command)) vscode.debug.activeDebugConsole.appendLine(line);
    await vscode.commands.executeCommand('workbench.debug.action.focusRepl');
  } catch (error) {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
};

export const registerWhy = (context: vscode.ExtensionContext): void => {
  context.subscriptions.push(vscode.commands.registerCommand('ringside.why', ask));
};
