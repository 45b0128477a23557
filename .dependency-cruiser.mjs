/**
 * The floors: each folder of src/ imports only from floors above it in this list (and from itself).
 * `machine` has floors of its own: the core knows nothing of the privileged architecture or the board.
 */
const floors = [
  'src/x86',
  'src/machine/core',
  'src/machine/cpu',
  'src/machine/devices',
  'src/machine',
  'src/vmm',
  'src/program',
  'src/assembler',
  'src/debugger',
  'src/dap',
  'src/lsp',
  'src/cli',
  'src/extension',
];

const below = (index) => floors.slice(index + 1).filter((floor) => !floors[index].startsWith(`${floor}/`));

export default {
  forbidden: [
    ...floors.map((floor, index) => ({
      name: `floor-${floor.slice(4).replace('/', '-')}`,
      severity: 'error',
      from: {
        path: `^${floor}/`,
        ...(floor === 'src/machine' ? { pathNot: '^src/machine/(core|cpu|devices)/' } : {}),
      },
      to: {
        path: `^(${[...below(index), ...(floor.startsWith('src/machine/') ? ['src/machine/[^/]+\\.ts', 'src/machine/history'] : [])].join('|') || 'nothing'})`,
      },
    })),
    {
      name: 'only-extension-imports-vscode',
      severity: 'error',
      from: { pathNot: '^src/extension/' },
      to: { path: '^vscode$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
