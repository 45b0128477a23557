/** All families of fields, as a source of names for expressions. Another family is another row. */

import { Fault } from '../../machine/core/fault';
import { BadInput } from '../../program/program';
import { hex } from '../../x86/address';
import { explain } from '../explain';
import { deviceFields } from './devices';
import type { Field, FieldFamily, Owner } from './field';
import { msrFields } from './msrs';
import { pagingFields } from './paging';
import { tableFields, vectorFields } from './tables';
import { taskFields } from './task';
import { translationFields } from './translations';

const families: readonly FieldFamily[] = [
  tableFields,
  vectorFields,
  taskFields,
  pagingFields,
  msrFields,
  translationFields,
  deviceFields,
];

export const findField = (owner: Owner, name: string): Field | undefined => {
  const [head = '', ...words] = name.toLowerCase().split('.');
  if (words.length === 0) return undefined;
  return families.find((family) => family.heads(owner).includes(head))?.find(owner, head, words);
};

/** Why there is no field of that name, where it is a field's at all and that can be said. */
export const absenceOf = (owner: Owner, name: string): string | undefined => {
  const [head = '', ...words] = name.toLowerCase().split('.');
  const family = words.length === 0 ? undefined : families.find(({ heads }) => heads(owner).includes(head));
  return family?.absent?.(owner, head, words);
};

/** Names that begin so, for completion. */
export const fieldNamesBeginning = (owner: Owner, prefix: string, most: number): string[] => {
  const wanted = prefix.toLowerCase();
  const found: string[] = [];
  for (const family of families)
    for (const head of family.heads(owner)) {
      if (found.length >= most) return found;
      if (!wanted.includes('.')) {
        if (head.startsWith(wanted)) found.push(`${head}.`);
      } else if (wanted.startsWith(`${head}.`))
        found.push(...(family.names?.(owner, head) ?? []).filter((name) => name.startsWith(wanted)));
    }
  return found.slice(0, most);
};

/** @throws BadInput in one line */
export const setField = (name: string, { width, write }: Field, value: bigint): void => {
  if (write === undefined) throw new BadInput(`${name} cannot be set`);
  if (BigInt.asUintN(width, value) !== value && BigInt.asIntN(width, value) !== BigInt.asIntN(64, value))
    throw new BadInput(
      `${hex(BigInt.asUintN(64, value))} does not fit into ${name}, which has ${width === 1 ? 'one bit' : `${width} bits`}`,
    );
  try {
    write(BigInt.asUintN(width, value));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new BadInput(`${name} does not take ${hex(value)}: ${explain(error.why)}`);
  }
};
