/**
 * Which two instructions share a handler: the dispatch between them is what wide code spends most of its time on. The
 * choice follows what compilers and kernels write; a pair costs about 150 bytes of the hot function.
 */

import { hotIn, type Shape } from './shapes';

interface Pick {
  readonly names: readonly string[];
  readonly sizes: readonly number[];
  /** Form and space: `r,r`, `r,m/b`. */
  readonly forms: readonly string[];
}

const matches = (picks: readonly Pick[], { definition, size, form, space }: Shape): boolean =>
  picks.some(
    ({ names, sizes, forms }) =>
      names.includes(definition.name) && sizes.includes(size) && forms.includes(space ? `${form}/${space}` : form),
  );

const wide: readonly Pick[] = [
  { names: ['mov'], sizes: [64], forms: ['r,r', 'r,m/b', 'm,r/b'] },
  { names: ['mov'], sizes: [32], forms: ['r,r', 'r,i', 'r,m/b'] },
  { names: ['lea'], sizes: [64], forms: ['r,m/b', 'r,m/x'] },
  { names: ['add', 'sub'], sizes: [64], forms: ['r,r', 'r,i'] },
  { names: ['xor', 'and'], sizes: [64], forms: ['r,r'] },
  { names: ['add'], sizes: [64], forms: ['r,m/b'] },
  { names: ['xor', 'add'], sizes: [32], forms: ['r,r'] },
];

const compares: readonly Pick[] = [
  { names: ['cmp'], sizes: [32, 64], forms: ['r,r', 'r,i'] },
  { names: ['cmp'], sizes: [8], forms: ['r,i'] },
  { names: ['test'], sizes: [32, 64], forms: ['r,r'] },
  { names: ['test'], sizes: [8], forms: ['r,r', 'r,i'] },
  { names: ['dec', 'inc', 'sub', 'add'], sizes: [32, 64], forms: ['r', 'r,i'] },
  { names: ['shr'], sizes: [32], forms: ['r,i'] },
];
/** The branches that follow these compares in practice. */
const branches = ['jb', 'jae', 'je', 'jne', 'jbe', 'ja', 'js', 'jl', 'jge', 'jle', 'jg'];
const afterCount = ['je', 'jne', 'js', 'jb', 'jae'];

const stack: readonly Pick[] = [{ names: ['push', 'pop'], sizes: [64], forms: ['r'] }];

/** The pairs among the shapes of one hot function. */
export const pairsOf = (shapes: readonly Shape[], which: 'hot64' | 'hot32'): [Shape, Shape][] => {
  const hot = shapes.filter((shape) => hotIn(shape).includes(which));
  const all = (picks: readonly Pick[]) => hot.filter((shape) => matches(picks, shape));
  const product = (first: readonly Shape[], second: readonly Shape[]): [Shape, Shape][] =>
    first.flatMap((a) => second.map((b): [Shape, Shape] => [a, b]));
  const jumps = (names: readonly string[]) =>
    hot.filter(({ definition }) => names.includes(definition.name.replace('.linked', '')));
  const isCompare = ({ definition }: Shape) => definition.name === 'cmp' || definition.name === 'test';
  const compared = all(compares);
  const branched = [
    ...product(compared.filter(isCompare), jumps(branches)),
    ...product(
      compared.filter((shape) => !isCompare(shape)),
      jumps(afterCount),
    ),
  ];
  if (which === 'hot32') return branched;
  return [...branched, ...product(all(wide), all(wide)), ...product(all(stack), all(stack))];
};
