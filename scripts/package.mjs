/** Makes the .vsix and holds it to its size. `packageExtension` is also what the end-to-end tests install. */

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVSIX } from '@vscode/vsce';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** In bytes. Half of it is iced-x86, which the web needs a second time. */
const LARGEST = 4 * 2 ** 20;

/** @param {string} packagePath the file to write */
export const packageExtension = async (packagePath) => {
  await createVSIX({
    cwd: root,
    packagePath,
    dependencies: false,
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
  });
  const { size } = statSync(packagePath);
  if (size > LARGEST) throw new Error(`${packagePath} has ${size} bytes, more than ${LARGEST}`);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await packageExtension(join(root, 'ringside.vsix'));
