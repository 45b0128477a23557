import { beforeEach, expect, test, vi } from 'vitest';

/** As much of a URI as the extension uses. */
class Uri {
  constructor(
    readonly scheme: string,
    readonly authority: string,
    readonly path: string,
  ) {}
  get fsPath() {
    return this.path;
  }
  with({ path }: { path: string }) {
    return new Uri(this.scheme, this.authority, path);
  }
  toString() {
    return `${this.scheme}://${this.authority}${this.path}`;
  }
  static joinPath(base: Uri, part: string) {
    return base.with({ path: `${base.path}/${part}` });
  }
}

class SourceBreakpoint {
  readonly enabled = true;
  constructor(readonly location: { uri: Uri }) {}
}

const fake = vi.hoisted(() => ({
  debug: { breakpoints: [] as unknown[] },
  window: {
    activeTextEditor: undefined as unknown,
    said: [] as string[],
    showInformationMessage: async (_: string) => {},
  },
  workspace: { textDocuments: [] as unknown[], workspaceFolders: undefined },
}));
vi.mock('vscode', () => ({ ...fake, SourceBreakpoint, Uri }));

const { LaunchConfigurations } = await import('../../src/extension/launch-configurations');
const configurations = new LaunchConfigurations();
const open = (uri: Uri) => {
  fake.window.activeTextEditor = { document: { uri } };
};
const folderOn = (scheme: string, authority: string) =>
  ({ uri: new Uri(scheme, authority, '/project'), name: 'project', index: 0 }) as never;
const resolved = (folder: never, attributes: object) =>
  configurations.resolveDebugConfigurationWithSubstitutedVariables(folder, {
    type: 'ringside',
    request: 'launch',
    name: 'x',
    ...attributes,
  });

beforeEach(() => {
  fake.debug.breakpoints = [];
  fake.window.activeTextEditor = undefined;
  fake.window.said = [];
  fake.window.showInformationMessage = async (text) => void fake.window.said.push(text);
});

test('F5 without a configuration debugs the file in the active editor and stops at its first instruction', async () => {
  open(new Uri('file', '', '/project/hello.asm'));
  expect(await configurations.resolveDebugConfiguration(undefined, { noDebug: true } as never)).toEqual({
    type: 'ringside',
    request: 'launch',
    name: 'Debug hello.asm',
    program: '/project/hello.asm',
    stopOnEntry: true,
    noDebug: true,
  });
});

test('F5 runs up to the first breakpoint where the file has one', async () => {
  open(new Uri('file', '', '/project/hello.asm'));
  fake.debug.breakpoints = [new SourceBreakpoint({ uri: new Uri('file', '', '/project/hello.asm') })];
  expect(await configurations.resolveDebugConfiguration(undefined, {} as never)).toMatchObject({ stopOnEntry: false });
});

test('F5 without a file, or with one that has no name yet, starts nothing and says why', async () => {
  expect(await configurations.resolveDebugConfiguration(undefined, {} as never)).toBeUndefined();
  open(new Uri('untitled', '', 'Untitled-1'));
  expect(await configurations.resolveDebugConfiguration(undefined, {} as never)).toBeUndefined();
  expect(fake.window.said).toEqual(['Open the program to debug first.', 'Save the program first.']);
});

test('a configuration of the user is left as it is', async () => {
  const given = { type: 'ringside', request: 'launch', name: 'mine', program: 'kernel.elf' };
  expect(await configurations.resolveDebugConfiguration(undefined, given)).toBe(given);
});

test('on the desktop names of files become paths below the folder', () => {
  const attributes = {
    program: 'kernel.elf',
    initrd: '/boot/initrd',
    module: ['a.bin one two', '/b.bin'],
    cmdline: 'a/b',
  };
  expect(resolved(folderOn('file', ''), attributes)).toMatchObject({
    program: '/project/kernel.elf',
    initrd: '/boot/initrd',
    module: ['/project/a.bin one two', '/b.bin'],
    cmdline: 'a/b',
  });
});

test('in VS Code for the Web names of files become URIs', () => {
  const attributes = { program: '/project/kernel.elf', bios: 'rom.bin', module: ['a.bin one'] };
  expect(resolved(folderOn('vscode-vfs', 'github'), attributes)).toMatchObject({
    program: 'vscode-vfs://github/project/kernel.elf',
    bios: 'vscode-vfs://github/project/rom.bin',
    module: ['vscode-vfs://github/project/a.bin one'],
  });
});

test('a file that is open without a folder keeps its own scheme', () => {
  open(new Uri('memfs', '', '/hello.asm'));
  expect(resolved(undefined as never, { program: '/hello.asm' })).toMatchObject({ program: 'memfs:///hello.asm' });
});
