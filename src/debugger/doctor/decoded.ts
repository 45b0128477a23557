/** The fields of a dump with what they mean, in the manual's groups. */

import { hex } from '../../x86/address';
import type { FieldName } from '../../x86/vmx/fields';
import { fieldGroups } from '../vmcs/groups';
import { fieldMeaning } from '../vmcs/meaning';

const NAME_WIDTH = 30;
const VALUE_WIDTH = 20;

/** A line for each field that is known, under the name of its group. */
export const decodedLines = (fields: ReadonlyMap<FieldName, bigint>): string[] => {
  const values = (name: FieldName): bigint | undefined => fields.get(name);
  return fieldGroups.flatMap(({ name: group, fields: names }) => {
    const rows = names.flatMap((name): string[] => {
      const value = fields.get(name);
      if (value === undefined) return [];
      const meaning = fieldMeaning(name, value, values);
      return [`  ${name.padEnd(NAME_WIDTH)} ${hex(value).padEnd(VALUE_WIDTH)} ${meaning}`.trimEnd()];
    });
    return rows.length === 0 ? [] : [`${group}:`, ...rows, ''];
  });
};
