/** Places in a program as they are typed: a line, FILE:LINE, a symbol, an expression that gives an address. */

import { evaluate } from '../../debugger/expression/evaluator';
import { parseExpression } from '../../debugger/expression/parser';
import { currentAddress } from '../../debugger/vcpu-view';
import { BadInput } from '../../program/program';
import { type LinearAddress, linear } from '../../x86/address';
import type { Desk } from './command';

/** @throws BadInput, ExpressionError */
export const readLocation = (desk: Desk, text: string): readonly LinearAddress[] => {
  const { info } = desk.session;
  const [, file, digits] = /^(?:(\S+):)?(\d+)$/.exec(text) ?? [];
  if (digits !== undefined && info.lines.files.length > 0) return lineAddresses(desk, file, Number(digits));
  return [linear(evaluate(parseExpression(text.replace(/^\*/, '')), desk.session.environment(desk.vcpu)).bits)];
};

const lineAddresses = (desk: Desk, named: string | undefined, line: number): readonly LinearAddress[] => {
  const { info } = desk.session;
  const file = named === undefined ? currentFile(desk) : info.fileFor(named.startsWith('/') ? named : `/${named}`);
  if (file === undefined)
    throw new BadInput(`${named}: no file of this program; they are ${info.lines.files.join(', ')}`);
  const found = info.lines.addresses(file, line);
  if (found === null) throw new BadInput(`${file}:${line}: there is no code on this line or after it`);
  return found.addresses;
};

const currentFile = ({ session, vcpu }: Desk): string | undefined =>
  session.info.lines.at(currentAddress(session.vcpu(vcpu)))?.file ?? session.info.lines.files[0];

/** `print+0x3 hello.asm:36`, as far as it is known. */
export const placeText = ({ session }: Desk, address: LinearAddress): string => {
  const line = session.info.lines.at(address);
  const parts = [session.info.nameOf(address), line === null ? undefined : `${line.file}:${line.line}`];
  return parts.filter((part) => part !== undefined).join(' ');
};
