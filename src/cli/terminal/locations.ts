/** Places in a program as they are typed: a line, FILE:LINE, a symbol, an expression that gives an address. */

import { evaluate } from '../../debugger/expression/evaluator';
import { parseExpression } from '../../debugger/expression/parser';
import type { ProgramInfo } from '../../debugger/program-info';
import { currentAddress } from '../../debugger/vcpu-view';
import { BadInput } from '../../program/program';
import { type LinearAddress, linear } from '../../x86/address';
import type { Desk } from './command';

/** @throws BadInput, ExpressionError */
export const readLocation = (desk: Desk, text: string): readonly LinearAddress[] => {
  if (text === '') throw new BadInput('where? a line, FILE:LINE, a symbol or an address');
  const { info } = desk.session;
  const [, file, digits] = /^(?:(\S+):)?(\d+)$/.exec(text) ?? [];
  if (digits !== undefined && info.lines.files.length > 0) return lineAddresses(desk, file, Number(digits));
  return [linear(evaluate(parseExpression(text.replace(/^\*/, '')), desk.session.environment(desk.vcpu)).bits)];
};

const lineAddresses = (desk: Desk, named: string | undefined, line: number): readonly LinearAddress[] => {
  const { info } = desk.session;
  const file = named === undefined ? currentFile(desk) : fileNamed(info, named);
  if (file === undefined)
    throw new BadInput(`${named}: no file of this program; they are ${info.lines.files.join(', ')}`);
  const found = info.lines.addresses(file, line);
  if (found === null) throw new BadInput(`${file}:${line}: there is no code on this line or after it`);
  return found.addresses;
};

/** A file by its path or by the end of it. */
const fileNamed = (info: ProgramInfo, named: string): string | undefined => {
  const ending = named.startsWith('/') ? named : `/${named}`;
  const found = info.lines.files.filter((file) => file.endsWith(ending));
  return info.fileFor(ending) ?? (found.length === 1 ? found[0] : undefined);
};

const currentFile = ({ session, vcpu }: Desk): string | undefined =>
  session.info.lines.at(currentAddress(session.vcpu(vcpu)))?.file ?? session.info.lines.files[0];
