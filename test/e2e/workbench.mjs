/** One headless VS Code with the extension in it: server, browser page, and what a person does with them, as functions. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, node, server } from './install.mjs';

const freePort = async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
};

const settings = {
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'extensions.ignoreRecommendations': true,
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'debug.toolBarLocation': 'floating',
  'editor.minimap.enabled': false,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
};

/** Scratch folders of one run, and the environment in which code-server finds nothing of the user's. */
const scratch = () => {
  const root = mkdtempSync(join(tmpdir(), 'ringside-e2e-'));
  const folder = (name) => {
    mkdirSync(join(root, name), { recursive: true });
    return join(root, name);
  };
  const folders = { root, home: folder('home'), user: folder('user'), extensions: folder('extensions') };
  mkdirSync(join(folders.user, 'User'));
  writeFileSync(join(folders.user, 'User/settings.json'), JSON.stringify(settings));
  const environment = {
    ...process.env,
    HOME: folders.home,
    XDG_CONFIG_HOME: folder('home/config'),
    XDG_DATA_HOME: folder('home/data'),
    CODE_SERVER_CONFIG: join(folders.home, 'config.yaml'),
  };
  return { ...folders, workspace: folder('workspace'), environment };
};

const serve = async ({ user, extensions, environment }, port) => {
  const child = spawn(
    node,
    [
      server,
      ...[
        '--bind-addr',
        `127.0.0.1:${port}`,
        '--auth',
        'none',
        '--user-data-dir',
        user,
        '--extensions-dir',
        extensions,
      ],
      ...['--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-proxy'],
      ...['--disable-getting-started-override', '--ignore-last-opened'],
      ...['--vscode-option', 'enable-smoke-test-driver'],
    ],
    { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  let log = '';
  await new Promise((listening, failed) => {
    const read = (text) => {
      log += text;
      if (log.includes('HTTP server listening')) listening();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => failed(new Error(`code-server ended with status ${code}:\n${log}`)));
    setTimeout(() => failed(new Error(`code-server does not listen:\n${log}`)), 60_000).unref();
  });
  return { log: () => log, end: () => process.kill(-child.pid, 'SIGTERM') };
};

/**
 * @param place puts the extension into a folder of extensions
 * @param fill puts files into the workspace
 * @param screenshots folder for pictures
 */
export const openWorkbench = async ({ place, fill, screenshots }) => {
  const folders = scratch();
  fill(folders.workspace);
  await place(folders);
  const port = await freePort();
  const code = await serve(folders, port);
  const { chromium: driver } = await import('playwright-core');
  const browser = await driver.launch({
    executablePath: chromium(),
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
  const console = [];
  page.on('console', (message) => console.push(message.text()));
  page.setDefaultTimeout(30_000);
  await page.goto(`http://127.0.0.1:${port}/?folder=${folders.workspace}`);
  await page.locator('.monaco-workbench').waitFor();
  mkdirSync(screenshots, { recursive: true });
  return {
    page,
    workspace: folders.workspace,
    /** What the page and the server said, for the report of a failure. */
    log: () => `${code.log()}\n${console.join('\n')}`,
    screenshot: (name) => page.screenshot({ path: join(screenshots, `${name}.png`) }),
    async close() {
      await browser.close();
      code.end();
      rmSync(folders.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
};
