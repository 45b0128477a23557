/** Where the source files are now that a compiler has named: moved folders, and names relative to an unknown one. */

import { BadInput, type Files } from './program';

/** By the beginning of a path as the compiler wrote it: what stands there now. */
export type SourceMap = Readonly<Record<string, string>>;

/** Folders up from the program where a relative name is looked for. */
const LEVELS = ['', '../', '../../', '../../../'];
/** More relative names than this are taken as they are. */
const MOST = 256;

/** @param from the file that names the sources */
export const sourcePaths = async (
  names: readonly string[],
  files: Files,
  from: string,
  map: SourceMap,
): Promise<(file: string) => string> => {
  const found = new Map<string, string>();
  let level = 0;
  for (const name of names.filter(isRelative).slice(0, MOST)) {
    if (mapped(name, map) !== undefined) continue;
    for (let tries = 0; tries < LEVELS.length && !found.has(name); tries++) {
      const tried = (level + tries) % LEVELS.length;
      const path = files.resolve(from, LEVELS[tried] + name);
      if (!(await isThere(files, path))) continue;
      found.set(name, path);
      // Its neighbours were most likely built in the same folder.
      level = tried;
    }
  }
  return (file) => mapped(file, map) ?? found.get(file) ?? file;
};

const isRelative = (path: string): boolean => path !== '' && !/^([/\\]|[A-Za-z]:|[a-z][a-z0-9+.-]*:\/\/)/.test(path);

const isThere = async (files: Files, path: string): Promise<boolean> => {
  try {
    await files.read(path);
    return true;
  } catch (error) {
    if (error instanceof BadInput) return false;
    throw error;
  }
};

/** The longest beginning counts; it ends where a folder's name ends. */
const mapped = (file: string, map: SourceMap): string | undefined => {
  const path = file.replace(/\\/g, '/');
  const beginnings = Object.keys(map).sort((a, b) => b.length - a.length);
  for (const beginning of beginnings) {
    const plain = beginning.replace(/\\/g, '/').replace(/\/+$/, '');
    if (path !== plain && !path.startsWith(`${plain}/`)) continue;
    return `${(map[beginning] as string).replace(/[/\\]+$/, '')}${path.slice(plain.length)}`;
  }
  return undefined;
};
