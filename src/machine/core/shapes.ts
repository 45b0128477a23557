/**
 * The shapes an instruction comes in: each is one handler of the interpreter. The build makes a handler for every
 * shape, the decoder names the shape of an instruction it met; both agree by the shape's key.
 */

import type { Definition } from './definition';
import type { Size } from './emitter';

/**
 * How the memory operand's address is found. `b` base + displacement and `x` with index: 64-bit mode, no segment;
 * `f` and `y` the same with flat 32-bit segments; `s` any address size, through a segment.
 */
export type Space = '' | 'b' | 'x' | 'f' | 'y' | 's';
/** Where the mode matters: 64-bit, flat 32-bit, or with segments. */
export type Environment = '' | 'q' | 'f' | 'l';
export type AddressSize = 0 | 16 | 32 | 64;

export interface Shape {
  readonly definition: Definition;
  readonly size: Size;
  /** `r`, `m` and `i` only. */
  readonly form: string;
  readonly space: Space;
  readonly environment: Environment;
  readonly address: AddressSize;
}

export const shapeKey = (
  name: string,
  size: Size,
  form: string,
  space: Space,
  environment: Environment,
  address: AddressSize,
): string => `${name}/${size}/${form}/${space}${environment}${address || ''}`;

export const keyOf = (shape: Shape): string =>
  shapeKey(shape.definition.name, shape.size, shape.form, shape.space, shape.environment, shape.address);

/** The key of the handler for an instruction whose flags nobody will read. */
export const silentKey = (key: string): string => `${key}!`;
/** The key of the handler that executes two instructions, one after the other. */
export const pairKey = (first: string, second: string): string => `${first}+${second}`;

/** Which hot function a shape belongs to, if it is hot at all: 64-bit mode's, flat 32-bit's, or either. */
export const hotIn = (shape: Shape): readonly ('hot64' | 'hot32')[] => {
  const { definition, size, space, environment } = shape;
  if (!definition.hot?.includes(size) || space === 's' || environment === 'l') return [];
  if (space === 'b' || space === 'x' || environment === 'q') return ['hot64'];
  if (space === 'f' || space === 'y' || environment === 'f') return ['hot32'];
  return ['hot64', 'hot32'];
};

const expand = (form: string): string[] =>
  form.includes('x') ? [form.replace('x', 'r'), form.replace('x', 'm')] : [form];

const pairs = (definition: Definition, memory: boolean, hot: boolean): [Space, Environment][] => {
  const moded = definition.stack || definition.moded;
  if (definition.longOnly) return [['', 'q']];
  if (!memory) return moded ? [['', 'q'], ...(hot ? [['', 'f'] as [Space, Environment]] : []), ['', 'l']] : [['', '']];
  const fast: [Space, Environment][] = hot
    ? [
        ['b', moded ? 'q' : ''],
        ['x', moded ? 'q' : ''],
        ['f', moded ? 'f' : ''],
        ['y', moded ? 'f' : ''],
      ]
    : [];
  return [
    ...fast,
    ...(moded
      ? ([
          ['s', 'q'],
          ['s', 'l'],
        ] as [Space, Environment][])
      : [['s', ''] as [Space, Environment]]),
  ];
};

/** Every shape of a definition. */
export const shapesOf = (definition: Definition): Shape[] => {
  const shapes: Shape[] = [];
  for (const size of definition.sizes)
    for (const form of new Set(definition.forms.flatMap(expand)))
      for (const [space, environment] of pairs(definition, form.includes('m'), definition.hot?.includes(size) ?? false))
        for (const address of definition.addressed ? ([16, 32, 64] as const) : ([0] as const)) {
          if (address === 64 && environment === 'l') continue;
          if (address === 16 && environment === 'q') continue;
          // No 64-bit operands outside 64-bit mode.
          if (size === 64 && (space === 'f' || space === 'y')) continue;
          shapes.push({ definition, size, form, space, environment, address });
        }
  return shapes;
};
