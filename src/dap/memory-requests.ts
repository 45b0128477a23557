/** Memory as bytes: read and written at references. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Place, placeText, readPlace } from '../debugger/address';
import { mappedRuns, peekLinear } from '../debugger/guest-memory';
import { BadInput } from '../program/program';
import { linear } from '../x86/address';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Handlers } from './handlers';

/** No view asks for more at once; a mistake in a number should not take all memory. */
const MOST = 16 * 1024 * 1024;
const PHYSICAL_END = 1n << 52n;

export const memoryHandlers = (context: Context): Handlers => ({
  readMemory: (args: DebugProtocol.ReadMemoryArguments): DebugProtocol.ReadMemoryResponse['body'] => {
    const reference = readPlace(args.memoryReference, args.offset);
    context.memoryRead.add(args.memoryReference);
    const count = Math.min(Math.max(0, args.count), MOST);
    const bytes = readBytes(context, reference, count);
    const missing = bytes.length === 0 ? unreadable(context, reference, count) : 0;
    return {
      address: placeText(reference),
      ...(bytes.length > 0 ? { data: toBase64(bytes) } : {}),
      ...(missing > 0 ? { unreadableBytes: missing } : {}),
    };
  },

  writeMemory: (args: DebugProtocol.WriteMemoryArguments): DebugProtocol.WriteMemoryResponse['body'] => {
    const { session } = context;
    if (session.running) throw new BadInput('the machine is running; pause it first');
    const { space, address } = readPlace(args.memoryReference, args.offset);
    const bytes = fromBase64(args.data);
    session.environment(frameOf(context, undefined).vcpu).writeBytes(space, address, bytes);
    context.later(() => context.invalidate());
    return { bytesWritten: bytes.length };
  },
});

const readBytes = (context: Context, { space, address }: Place, count: number): Uint8Array => {
  const { session } = context;
  if (space === 'linear') return peekLinear(session.vcpu(frameOf(context, undefined).vcpu).cpu, linear(address), count);
  const length = address >= PHYSICAL_END ? 0 : Math.min(count, Number(PHYSICAL_END - address));
  return session.machine.physical.peekBytes(Number(address), length);
};

/** Bytes up to the first that can be read. */
const unreadable = (context: Context, { space, address }: Place, count: number): number => {
  if (space !== 'linear') return count;
  const { cpu } = context.session.vcpu(frameOf(context, undefined).vcpu);
  return mappedRuns(cpu, linear(address), count)[0]?.offset ?? count;
};

const PIECE = 0x8000;

const toBase64 = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
};

const fromBase64 = (data: string): Uint8Array => {
  try {
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  } catch {
    throw new BadInput('the data to write is not base64');
  }
};
