/** Files that only the extension host can reach, named by URI, as everything is in VS Code for the Web. */

import { BadInput, type Files } from '../program/program';
import type { FromWorker, Port, ToWorker } from './worker-messages';

const absolute = /^[a-z][a-z0-9+.-]*:\/\//i;

export const isUri = (path: string): boolean => absolute.test(path);

export class WorkspaceFiles implements Files {
  private readonly waiting = new Map<number, { found(bytes: Uint8Array): void; failed(error: BadInput): void }>();
  private requests = 0;

  constructor(private readonly host: Port<ToWorker, FromWorker>) {
    host.receive((message) => {
      if (message.kind !== 'file' && message.kind !== 'no-file') return;
      const waiter = this.waiting.get(message.request);
      this.waiting.delete(message.request);
      if (message.kind === 'file') waiter?.found(message.bytes);
      else waiter?.failed(new BadInput(message.why));
    });
  }

  read(path: string): Promise<Uint8Array> {
    return new Promise((found, failed) => {
      const request = ++this.requests;
      this.waiting.set(request, { found, failed });
      this.host.send({ kind: 'read', request, uri: path });
    });
  }

  /** The scheme and the authority are those of `from`; dots in the path are resolved, as they are in a URL. */
  resolve(from: string, path: string): string {
    if (isUri(path)) return path;
    const [, root = '', folder = ''] = /^([^/]*\/\/[^/]*)?(.*\/)?/.exec(from) ?? [];
    const parts: string[] = path.startsWith('/') ? [] : folder.split('/').filter((part) => part !== '');
    for (const part of path.split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '.' && part !== '') parts.push(encodeURIComponent(part));
    }
    return `${root}/${parts.join('/')}`;
  }
}
