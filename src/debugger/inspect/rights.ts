/** Access rights of segments and the types of descriptors, in words. */

import { dplOf, access as rights, systemTypes } from '../../x86/descriptors';

/** `code, 64-bit, readable, ring 0`: access rights as a segment register keeps them. */
export const rightsText = (access: number, long: boolean): string => {
  if (access & rights.unusable) return 'unusable';
  const ring = `ring ${dplOf(access)}`;
  const absent = access & rights.present ? '' : ', not present';
  if (!(access & rights.segment)) return `${systemName(access & 15, long)}, ${ring}${absent}`;
  const width = access & rights.big ? '32-bit' : '16-bit';
  if (!(access & rights.code)) {
    const down = access & rights.expandDown ? ', expand-down' : '';
    return `data, ${width}, ${access & rights.writable ? 'writable' : 'read-only'}${down}, ${ring}${absent}`;
  }
  const kind = access & rights.long ? '64-bit' : width;
  const readable = access & rights.readable ? ', readable' : ', execute-only';
  const conforming = access & rights.conforming ? ', conforming' : '';
  return `code, ${kind}${readable}${conforming}, ${ring}${absent}`;
};

/** What a type of system descriptor is called. */
export const systemName = (type: number, long: boolean): string => {
  const row = systemTypes.find((one) => one.type === type);
  return (long ? row?.long?.name : row?.name) ?? `type ${type}`;
};

/** Intel SDM vol. 3, "Segment Selectors". */
export const selectorText = (selector: number): string =>
  selector < 4 ? 'null' : `entry ${selector >>> 3} of the ${selector & 4 ? 'LDT' : 'GDT'}, RPL ${selector & 3}`;
