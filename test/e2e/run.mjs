/**
 * The extension in the real VS Code: `node run.mjs node` in the Node extension host, `node run.mjs web` in the web
 * worker host. Installs the packaged extension, plays the scenario, and leaves pictures in screenshots/.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listFiles } from '@vscode/vsce';
import { packageExtension } from '../../scripts/package.mjs';
import { install, node, server } from './install.mjs';
import { scenario } from './scenario.mjs';
import { openWorkbench } from './workbench.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = dirname(dirname(here));

/** How the extension comes into the workbench. */
const hosts = {
  async node({ root: folder, user, extensions, environment }) {
    const vsix = join(folder, 'ringside.vsix');
    await packageExtension(vsix);
    const places = ['--user-data-dir', user, '--extensions-dir', extensions];
    execFileSync(node, [server, ...places, '--install-extension', vsix], { env: environment, stdio: 'pipe' });
  },
  /** Without `main` it can only run in the worker. */
  async web({ extensions }) {
    execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
    const { main, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const folder = join(extensions, `${manifest.publisher}.${manifest.name}-${manifest.version}`);
    for (const file of await listFiles({ cwd: root, packageManager: 0 })) cpSync(join(root, file), join(folder, file));
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  },
};

const kind = process.argv[2];
const place = hosts[kind];
if (!place) throw new Error('name the extension host: node or web');
install();
const screenshots = join(here, 'screenshots', kind);
const started = Date.now();
const workbench = await openWorkbench({
  place,
  fill: (workspace) => {
    cpSync(join(root, 'examples'), workspace, { recursive: true });
    cpSync(join(here, 'spin.asm'), join(workspace, 'spin.asm'));
    cpSync(join(root, 'test/doctor/dumps/kvm-6.12-dmesg.txt'), join(workspace, 'vmcs-of-kvm.txt'));
  },
  screenshots,
});
try {
  await scenario(workbench);
  console.log(`end to end in the ${kind} host: passed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
} catch (error) {
  await workbench.screenshot('failure');
  writeFileSync(join(screenshots, 'log.txt'), workbench.log());
  console.error(error);
  console.error(`see ${screenshots}`);
  process.exitCode = 1;
} finally {
  await workbench.close();
}
