/** Writes what package.json repeats of the sources: the launch attributes. A test holds the two equal. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = join(root, 'package.json');
const program = join(root, 'node_modules/.cache/ringside/launch-attributes.mjs');

await build({
  entryPoints: [join(root, 'src/extension/launch-attributes.ts')],
  outfile: program,
  bundle: true,
  format: 'esm',
  platform: 'node',
});
const { launchAttributes } = await import(pathToFileURL(program).href);
rmSync(program);
const contents = JSON.parse(readFileSync(manifest, 'utf8'));
contents.contributes.debuggers[0].configurationAttributes.launch.properties = launchAttributes();
writeFileSync(manifest, `${JSON.stringify(contents, null, 2)}\n`);
