/** Code as text: disassembly, the sources that the program was made from, and what was loaded. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { readPlace } from '../debugger/address';
import { type DisassemblyRow, disassembleBackward, disassembleForward } from '../debugger/disassemble';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import type { Context } from './context';
import { frameOf } from './frames';
import type { Handlers } from './handlers';
import { modulesOf } from './modules';

/** No view asks for more at once; a mistake in a number should not take minutes. */
const MOST = 100_000;

export const codeHandlers = (context: Context): Handlers => ({
  disassemble: (args: DebugProtocol.DisassembleArguments): DebugProtocol.DisassembleResponse['body'] => {
    const { space, address, vcpu } = readPlace(args.memoryReference, args.offset);
    const count = Math.max(0, Math.trunc(args.instructionCount));
    const first = Math.trunc(args.instructionOffset ?? 0);
    if (count > MOST || Math.abs(first) > MOST)
      throw new BadInput(`disassemble: at most ${MOST} instructions, and an offset of at most as many`);
    const view = context.session.codeView(vcpu ?? frameOf(context, undefined).vcpu, space, address);
    const start = linear(address);
    const before = first < 0 ? disassembleBackward(view, start, -first) : [];
    const after = disassembleForward(view, start, Math.max(0, first + count)).slice(Math.max(0, first));
    const rows = [...before, ...after].slice(0, count);
    const symbols = args.resolveSymbols !== false;
    return { instructions: rows.map((row, n) => instruction(context, row, rows[n - 1], symbols)) };
  },

  source: async (args: DebugProtocol.SourceArguments): Promise<DebugProtocol.SourceResponse['body']> => {
    const reference = args.source?.sourceReference || args.sourceReference;
    if (!reference) return { content: new TextDecoder().decode(await context.files.read(args.source?.path ?? '')) };
    const content = context.listings.text(reference);
    if (content === undefined)
      throw new BadInput(`there is no source ${reference}; it belongs to a session that is gone`);
    return { content, mimeType: 'text/x-asm' };
  },

  loadedSources: () => ({
    sources: [...context.session.info.lines.files.map((file) => context.sourceOf(file)), ...context.listings.sources],
  }),

  modules: ({ startModule = 0, moduleCount }: DebugProtocol.ModulesArguments) => {
    const all = modulesOf(context);
    // The protocol takes 0 for "all".
    return {
      modules: all.slice(startModule, moduleCount ? startModule + moduleCount : undefined),
      totalModules: all.length,
    };
  },
});

/** The source is named where it is another than that of the row before. */
const instruction = (
  context: Context,
  { address, bytes, text, symbol, line, invalid }: DisassemblyRow,
  before: DisassemblyRow | undefined,
  symbols: boolean,
): DebugProtocol.DisassembledInstruction => ({
  address: hex(address),
  instruction: text,
  ...(bytes.length > 0
    ? { instructionBytes: [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') }
    : {}),
  ...(symbols && symbol !== undefined ? { symbol } : {}),
  ...(line === undefined || line.file === before?.line?.file ? {} : { location: context.sourceOf(line.file) }),
  ...(line === undefined ? {} : { line: context.lineToClient(line.line), endLine: context.lineToClient(line.line) }),
  ...(invalid ? { presentationHint: 'invalid' as const } : {}),
});
