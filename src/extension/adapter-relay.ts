/**
 * The debug adapter as VS Code sees it: everything is passed on to the worker that holds the machine, so that a guest
 * at full speed never keeps other extensions waiting. Files that the worker cannot reach are read here.
 */

import * as vscode from 'vscode';
import type { FromWorker, Port, ToWorker } from './worker-messages';

/** The worker, as the host of either kind starts it. */
export interface AdapterWorker extends Port<FromWorker, ToWorker> {
  /** Called once when it ended by itself: that is an error. */
  failed(listener: (why: string) => void): void;
  end(): void;
}

export class AdapterRelay implements vscode.DebugAdapter {
  private readonly sent = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
  readonly onDidSendMessage = this.sent.event;
  private ended = false;
  private stays = false;

  /** @param keep takes the worker when its machine outlives this client */
  constructor(
    private readonly worker: AdapterWorker,
    private readonly keep: (worker: AdapterWorker) => void,
  ) {
    worker.receive((message) => {
      if (this.ended) return;
      if (message.kind === 'protocol') this.sent.fire(message.message);
      else if (message.kind === 'stays') this.stays = true;
      else void this.read(message.request, message.uri);
    });
    worker.failed((why) => this.giveUp(why));
  }

  handleMessage(message: vscode.DebugProtocolMessage): void {
    this.worker.send({ kind: 'protocol', message });
  }

  dispose(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.stays) this.keep(this.worker);
    else this.worker.end();
    this.sent.dispose();
  }

  private async read(request: number, uri: string): Promise<void> {
    try {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.parse(uri, true));
      this.worker.send({ kind: 'file', request, bytes });
    } catch (error) {
      const why = error instanceof vscode.FileSystemError ? error.code : String(error);
      this.worker.send({ kind: 'no-file', request, why: `${uri}: cannot be read (${why})` });
    }
  }

  private giveUp(why: string): void {
    if (this.ended) return;
    this.ended = true;
    const output = `Ringside ended by an error of its own; please report it: ${why}\n`;
    this.sent.fire({ type: 'event', seq: 0, event: 'output', body: { category: 'important', output } } as object);
    this.sent.fire({ type: 'event', seq: 0, event: 'terminated' } as object);
  }
}
