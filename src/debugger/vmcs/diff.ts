/** Two VMCSs, or one at two times: the fields that differ, and which of their bits. */

import { type FieldName, fieldNames } from '../../x86/vmx/fields';
import { bitsOfField } from './meaning';

export interface Difference {
  readonly name: FieldName;
  readonly before: bigint;
  readonly after: bigint;
}

/** Values of one side; undefined where it does not say. */
export type Side = (name: FieldName) => bigint | undefined;

/** Fields of which both sides tell. */
export const differences = (before: Side, after: Side): Difference[] =>
  fieldNames.flatMap((name): Difference[] => {
    const [old, now] = [before(name), after(name)];
    return old === undefined || now === undefined || old === now ? [] : [{ name, before: old, after: now }];
  });

/** `hlt_exiting 0 -> 1`: the named bits that differ. */
export const changedBits = ({ name, before, after }: Difference, values: Side): string[] =>
  Object.entries(bitsOfField(name, values) ?? {}).flatMap(([part, { bit, width = 1 }]) => {
    const of = (value: bigint): bigint => (value >> BigInt(bit)) & ((1n << BigInt(width)) - 1n);
    return of(before) === of(after) ? [] : [`${part} ${of(before)} -> ${of(after)}`];
  });
