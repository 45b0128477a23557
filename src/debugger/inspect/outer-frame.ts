/** The registers of a frame further out: only what the stack tells. */

import { linear } from '../../x86/address';
import type { Item } from '../item';
import type { OuterFrame } from '../name-sources';
import type { ProgramInfo } from '../program-info';

export const outerFrameItems = ({ rip, rsp, rbp, address }: OuterFrame, info: ProgramInfo): Item[] => {
  const pointer = (name: string, bits: bigint): Item => {
    const meaning = info.nameOf(linear(bits));
    return {
      name,
      bits,
      size: 8,
      memory: { space: 'linear', address: bits },
      ...(info.lines.at(linear(bits)) === null ? {} : { code: linear(bits) }),
      ...(meaning === undefined ? {} : { meaning }),
    };
  };
  return [
    { ...pointer('rip', rip), code: address },
    ...(rsp === undefined ? [] : [pointer('rsp', rsp)]),
    ...(rbp === undefined ? [] : [pointer('rbp', rbp)]),
  ];
};
