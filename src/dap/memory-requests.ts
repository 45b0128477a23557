/** Memory as bytes: read and written at references, in any space. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Place, placeText, readPlace } from '../debugger/address';
import { isMemory, type MappedRun, peekSpace, readableRuns } from '../debugger/guest-memory';
import type { Cpu } from '../machine/cpu/cpu';
import { BadInput } from '../program/program';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Handlers } from './handlers';
import { type LookAt, UNREADABLE } from './shown';

/** No view asks for more at once; a mistake in a number should not take all memory. */
const MOST = 16 * 1024 * 1024;

export const memoryHandlers = (context: Context): Handlers => ({
  readMemory: (args: DebugProtocol.ReadMemoryArguments): DebugProtocol.ReadMemoryResponse['body'] => {
    const place = readPlace(args.memoryReference, args.offset);
    const count = Math.min(Math.max(0, Math.trunc(args.count)), MOST);
    const cpu = cpuOf(context, place);
    const bytes = peekSpace(cpu, place.space, place.address, count);
    context.shown.memoryRead(args.memoryReference, Math.trunc(args.offset ?? 0), count, lookAt(context));
    const unreadable = bytes.length < count ? untilReadable(cpu, place, bytes.length, count) : 0;
    return {
      address: placeText(place),
      ...(bytes.length > 0 ? { data: toBase64(bytes) } : {}),
      ...(unreadable > 0 ? { unreadableBytes: unreadable } : {}),
    };
  },

  writeMemory: (args: DebugProtocol.WriteMemoryArguments): DebugProtocol.WriteMemoryResponse['body'] => {
    const { session } = context;
    if (session.running) throw new BadInput('the machine is running; pause it first');
    const place = readPlace(args.memoryReference, args.offset);
    const bytes = fromBase64(args.data);
    const cpu = cpuOf(context, place);
    const { offset, length } = writablePiece(cpu, place, bytes.length);
    if (length < bytes.length && args.allowPartial !== true) throw refusal(cpu, place, offset === 0 ? length : 0);
    const start = BigInt.asUintN(64, place.address + BigInt(offset));
    if (length > 0)
      session
        .environment(vcpuOf(context, place))
        .writeBytes(place.space, start, bytes.subarray(offset, offset + length));
    context.later(() => context.invalidate());
    return { bytesWritten: length, ...(args.allowPartial === true ? { offset } : {}) };
  },
});

/** Bytes as views of memory show them, to find out which of them changed. */
export const lookAt =
  (context: Context): LookAt =>
  (reference, offset, count) => {
    const place = readPlace(reference, offset);
    const cpu = cpuOf(context, place);
    const bytes = new Uint16Array(count).fill(UNREADABLE);
    for (const run of readableRuns(cpu, place.space, place.address, count))
      bytes.set(cpu.physical.peekBytes(run.physical, run.length), run.offset);
    return bytes;
  };

const vcpuOf = (context: Context, { vcpu }: Place): number => vcpu ?? frameOf(context, undefined).vcpu;

const cpuOf = (context: Context, place: Place): Cpu => context.session.vcpu(vcpuOf(context, place)).cpu;

/** Bytes from the last that was read to the next that can be. */
const untilReadable = (cpu: Cpu, { space, address }: Place, from: number, count: number): number => {
  const next = readableRuns(cpu, space, address, count).find(({ offset }) => offset >= from);
  return (next?.offset ?? count) - from;
};

/** The first bytes of a range that can be written, in one piece. */
const writablePiece = (cpu: Cpu, { space, address }: Place, count: number): Omit<MappedRun, 'physical'> => {
  let piece = { offset: 0, length: 0 };
  for (const run of readableRuns(cpu, space, address, count).filter((one) => isMemory(cpu, one))) {
    if (piece.length === 0) piece = { offset: run.offset, length: run.length };
    else if (run.offset === piece.offset + piece.length) piece.length += run.length;
    else break;
  }
  return piece;
};

const refusal = (cpu: Cpu, place: Place, offset: number): BadInput => {
  const at = { ...place, address: BigInt.asUintN(64, place.address + BigInt(offset)) };
  const isDevice = readableRuns(cpu, at.space, at.address, 1).length > 0;
  return new BadInput(
    isDevice
      ? `${placeText(at)} is no memory: a device or nothing answers there`
      : `nothing is mapped at ${placeText(at)}`,
  );
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
