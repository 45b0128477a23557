/** Files on the disk of the computer that runs Node. */

import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BadInput, type Files } from '../program/program';

/** No machine has more RAM than this, so no program is larger. */
const LARGEST = 2 ** 31;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file: a part of the path is not a directory',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ELOOP: 'cannot be read: symbolic links in a circle',
  ENAMETOOLONG: 'cannot be read: the name is too long',
  EISDIR: 'is a directory; name a file in it',
};

export class DiskFiles implements Files {
  async read(path: string): Promise<Uint8Array> {
    try {
      const status = await stat(path);
      if (status.isDirectory()) throw new BadInput(`${path}: is a directory; name a file in it`);
      if (status.isCharacterDevice() || status.isBlockDevice()) {
        throw new BadInput(`${path}: is a device; name a file`);
      }
      if (status.size >= LARGEST) throw new BadInput(`${path}: is larger than 2 GiB, more than a machine's RAM`);
      return new Uint8Array(await readFile(path));
    } catch (error) {
      if (error instanceof BadInput) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      throw new BadInput(`${path}: ${reasons[code] ?? `cannot be read (${code})`}`);
    }
  }

  resolve(from: string, path: string): string {
    return resolve(dirname(from), path);
  }
}
