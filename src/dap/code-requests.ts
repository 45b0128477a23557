/** Code as text: disassembly, and the sources that the program was made from. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { readPlace } from '../debugger/address';
import { type DisassemblyRow, disassembleBackward, disassembleForward } from '../debugger/disassemble';
import { hex, linear } from '../x86/address';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Handlers } from './handlers';

const MOST = 10_000;

export const codeHandlers = (context: Context): Handlers => ({
  disassemble: (args: DebugProtocol.DisassembleArguments): DebugProtocol.DisassembleResponse['body'] => {
    const { address } = readPlace(args.memoryReference, args.offset);
    const count = Math.min(Math.max(0, args.instructionCount), MOST);
    const first = Math.max(-MOST, Math.min(MOST, args.instructionOffset ?? 0));
    const view = context.session.codeView(frameOf(context, undefined).vcpu);
    const start = linear(address);
    const before = first < 0 ? disassembleBackward(view, start, -first) : [];
    const after = disassembleForward(view, start, Math.max(0, first + count)).slice(Math.max(0, first));
    const rows = [...before, ...after].slice(0, count);
    return { instructions: rows.map((row) => instruction(context, row, args.resolveSymbols !== false)) };
  },

  source: async (args: DebugProtocol.SourceArguments): Promise<DebugProtocol.SourceResponse['body']> => {
    const bytes = await context.files.read(args.source?.path ?? '');
    return { content: new TextDecoder().decode(bytes) };
  },

  loadedSources: () => ({ sources: context.session.info.lines.files.map((file) => context.sourceOf(file)) }),
});

const instruction = (
  context: Context,
  { address, bytes, text, symbol, line, invalid }: DisassemblyRow,
  symbols: boolean,
): DebugProtocol.DisassembledInstruction => ({
  address: hex(address),
  instruction: text,
  ...(bytes.length > 0
    ? { instructionBytes: [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') }
    : {}),
  ...(symbols && symbol !== undefined ? { symbol } : {}),
  ...(line === undefined ? {} : { location: context.sourceOf(line.file), line: context.lineToClient(line.line) }),
  ...(invalid ? { presentationHint: 'invalid' as const } : {}),
});
