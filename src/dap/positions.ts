/** Between addresses and lines of what the client can open: source files, and disassembly where there is no source. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CodeView } from '../debugger/code-view';
import type { LineAddresses } from '../program/lines';
import { type LinearAddress, linear } from '../x86/address';
import type { Context } from './context';
import { frameOf } from './frames';

export interface Position {
  readonly source: DebugProtocol.Source;
  /** As the client counts. */
  readonly line: number;
  readonly column: number;
}

/** The line that an address comes from, else its row in a listing; undefined where nothing is mapped. */
export const positionOf = (
  context: Context,
  address: LinearAddress,
  view: () => CodeView = () => context.session.codeView(frameOf(context, undefined).vcpu),
): Position | undefined => {
  const at = context.session.info.lines.at(address);
  const column = context.client.columnsStartAt1 === false ? 0 : 1;
  if (at !== null) return { source: context.sourceOf(at.file), line: context.lineToClient(at.line), column };
  const listed = context.listings.positionOf(view(), address);
  return listed === undefined ? undefined : { source: listed.source, line: context.lineToClient(listed.line), column };
};

/**
 * Where the code of a line is, in a source file of the program or in a listing; else of the next line with code.
 * @param line as we count, from 1
 */
export const addressesAt = (
  context: Context,
  source: DebugProtocol.Source,
  line: number,
): LineAddresses | undefined => {
  if (source.sourceReference) {
    const row = context.listings.addressAt(source.sourceReference, line);
    return row === undefined ? undefined : { line: row.line, addresses: [linear(row.address)] };
  }
  const { info } = context.session;
  const file = info.fileFor(source.path ?? source.name ?? '');
  return file === undefined ? undefined : (info.lines.addresses(file, line) ?? undefined);
};
