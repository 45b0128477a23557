/** Where an address is in the text that the client can open: its source line. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import type { LinearAddress } from '../x86/address';
import type { Context } from './context';

export interface Position {
  readonly source: DebugProtocol.Source;
  /** As the client counts. */
  readonly line: number;
  readonly column: number;
}

/** The line that an address comes from; undefined where no source is known. */
export const positionOf = (context: Context, address: LinearAddress): Position | undefined => {
  const at = context.session.info.lines.at(address);
  if (at === null) return undefined;
  return { source: context.sourceOf(at.file), line: context.lineToClient(at.line), column: firstColumn(context) };
};

export const firstColumn = (context: Context): number => (context.client.columnsStartAt1 === false ? 0 : 1);
