/** Files that are already in memory: for tests, and for editors whose workspace has no disk. Paths are POSIX paths. */

import { BadInput, type Files } from './program';

export class MemoryFiles implements Files {
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(files: Readonly<Record<string, Uint8Array | string>>) {
    const encoder = new TextEncoder();
    this.#files = new Map(
      Object.entries(files).map(([path, content]) => [
        normalize(path),
        typeof content === 'string' ? encoder.encode(content) : content,
      ]),
    );
  }

  async read(path: string): Promise<Uint8Array> {
    const wanted = normalize(path);
    const bytes = this.#files.get(wanted);
    if (bytes !== undefined) return bytes;
    const isFolder = [...this.#files.keys()].some((file) => file.startsWith(`${wanted}/`));
    throw new BadInput(isFolder ? `${path}: is a directory; name a file in it` : `${path}: no such file`);
  }

  resolve(from: string, path: string): string {
    return normalize(path.startsWith('/') ? path : `${from.slice(0, from.lastIndexOf('/') + 1)}${path}`);
  }
}

function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`;
}
