/** What takes long, as the client shows it: with a title, and a button to give it up. */

import type { Context } from './context';

/** Milliseconds until something is shown: what is done by then is not worth it. */
const LONG = 1000;

export interface Shown {
  /** What it is doing now. */
  report(message: string): void;
  end(): void;
}

export class Progress {
  private readonly cancels = new Map<string, () => void>();
  private readonly running = new Set<Shown>();
  private count = 0;

  constructor(private readonly context: Context) {}

  /** @param cancel gives it up; without one it cannot be cancelled */
  start(title: string, cancel?: () => void): Shown | undefined {
    const { context } = this;
    if (context.client.supportsProgressReporting !== true) return undefined;
    const progressId = `progress-${++this.count}`;
    let message: string | undefined;
    let visible = false;
    if (cancel !== undefined) this.cancels.set(progressId, cancel);
    const timer = setTimeout(() => {
      visible = true;
      context.send('progressStart', {
        progressId,
        title,
        cancellable: cancel !== undefined,
        ...(message === undefined ? {} : { message }),
      });
    }, LONG);
    const shown: Shown = {
      report: (text) => {
        message = text;
        if (visible) context.send('progressUpdate', { progressId, message });
      },
      end: () => {
        clearTimeout(timer);
        this.cancels.delete(progressId);
        if (this.running.delete(shown) && visible) context.send('progressEnd', { progressId });
      },
    };
    this.running.add(shown);
    return shown;
  }

  /** @returns whether there is something of this name to give up */
  cancel(progressId: string): boolean {
    const cancel = this.cancels.get(progressId);
    cancel?.();
    return cancel !== undefined;
  }

  endAll(): void {
    for (const shown of [...this.running]) shown.end();
  }
}
