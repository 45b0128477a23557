/** The functions of the expression language, one row each. None changes anything. */

import type { Cpu } from '../machine/cpu/cpu';
import { peekTranslation } from '../machine/cpu/look';
import type { Machine } from '../machine/pc';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import type { ExpressionFunction, Value } from './expression/evaluator';
import { bytesOf } from './guest-memory';
import { live } from './inspect/live';
import { type Access, walkItems, walkText } from './inspect/walk';
import { whyItems } from './inspect/why';
import type { Item } from './item';
import type { Session } from './session';
import { whyLast, whyNext } from './why/instruction';
import { whyNot } from './why/reason';

const ZERO: Value = { bits: 0n, signed: false, size: 8 };

const number = (bits: bigint, more: Partial<Value> = {}): Value => ({ bits, signed: false, size: 8, ...more });

/** All functions, for one vCPU. @param cpu as it is seen from a frame of a guest that waits */
export const functionsOf = (
  session: Session,
  index: number,
  { cpu } = session.vcpu(index),
): ReadonlyMap<string, ExpressionFunction> => {
  const rows: readonly ExpressionFunction[] = [
    {
      usage: 'walk(ADDRESS[, ACCESS])',
      help: 'the physical address, every level of the page walk, and which accesses are allowed and what denies them',
      takes: [1, 2],
      call: ([address = ZERO, access]) => walk(session.machine, cpu, address, access),
    },
    {
      usage: 'phys(ADDRESS)',
      help: 'the physical address of a linear one',
      takes: [1, 1],
      call: ([address = ZERO]) => {
        const found = physicalOf(cpu, address.bits);
        if (found === undefined) throw new BadInput(`nothing is mapped at ${hex(address.bits)}`);
        return number(found);
      },
    },
    {
      usage: 'mapped(ADDRESS)',
      help: 'whether a linear address is mapped',
      takes: [1, 1],
      call: ([address = ZERO]) => ({
        bits: physicalOf(cpu, address.bits) === undefined ? 0n : 1n,
        signed: false,
        size: 1,
        truth: true,
      }),
    },
    {
      usage: 'sym(ADDRESS)',
      help: 'the address of the symbol at or below an address, with the place in words',
      takes: [1, 1],
      call: ([address = ZERO]) => symbolAt(session, address.bits),
    },
    {
      usage: 'bits(VALUE, HIGH, LOW)',
      help: 'the bits from HIGH down to LOW of a value',
      takes: [3, 3],
      call: ([value = ZERO, high = ZERO, low = ZERO]) => {
        if (high.bits > 63n || low.bits > high.bits)
          throw new BadInput('bits(VALUE, HIGH, LOW) counts from 63 down to 0, HIGH first');
        return number((value.bits >> low.bits) & ((1n << (high.bits - low.bits + 1n)) - 1n));
      },
    },
    {
      usage: 'why([WHICH])',
      help: "why the machine stopped, with the rule and its evidence; why('last') why the last instruction exited, did not exit or was refused, why('next') the same of the next one, why(7) or why('#PF') why no exit with that basic reason, or by that exception, comes here",
      takes: [0, 1],
      call: ([which]) => why(session, index, which),
    },
  ];
  return new Map(rows.map((row) => [row.usage.slice(0, row.usage.indexOf('(')), row]));
};

const physicalOf = (cpu: Cpu, address: bigint): bigint | undefined => {
  const found = peekTranslation(cpu, linear(address));
  return found === undefined ? undefined : BigInt(found);
};

/** What letters in quotes say about an access: `'w'`, `'ux'` for a fetch by user code. @throws BadInput */
const readAccess = (value: Value): Access => {
  const letters = [...bytesOf(value.bits, 8)].filter((byte) => byte !== 0).map((byte) => String.fromCharCode(byte));
  const kinds = letters.filter((letter) => letter !== 'u').map((letter) => accessKinds[letter]);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1)
    throw new BadInput("an access is 'r', 'w' or 'x', with a u before it for user code: walk(rip, 'ux')");
  return { kind, user: letters.includes('u') };
};

const accessKinds: Readonly<Record<string, Access['kind']>> = { r: 'read', w: 'write', x: 'execute' };

const walk = (machine: Machine, cpu: Cpu, { bits: address }: Value, access: Value | undefined): Value => {
  const at = linear(address);
  const wanted = access === undefined ? undefined : readAccess(access);
  const items = (): Item[] => live(machine, () => walkItems(cpu, at, wanted));
  const found = physicalOf(cpu, address);
  const verdict = wanted === undefined ? undefined : items().at(-1);
  const leads = walkText(cpu, at);
  const said = verdict?.mark === undefined ? [verdict?.name] : [verdict.name, `${verdict.mark}:`];
  const meaning = verdict === undefined ? leads : `${leads}; ${[...said, verdict.meaning].join(' ')}`;
  return found === undefined ? number(0n, { wordy: true, meaning, items }) : number(found, { meaning, items });
};

const symbolAt = ({ info }: Session, address: bigint): Value => {
  const near = info.symbols.at(linear(address));
  const meaning = info.placeOf(linear(address)).replace(/^\S+ ?/, '');
  if (near === null) return number(0n, { wordy: true, meaning: meaning === '' ? 'no symbol' : meaning });
  return number(near.symbol.address, { meaning });
};

const answers: ReadonlyMap<string, typeof whyLast> = new Map([
  ['last', whyLast],
  ['next', whyNext],
]);

/** An exit's basic reason as a number, or an exception. */
const whyReason =
  ({ bits }: Value, word: string): typeof whyLast =>
  (session, index) =>
    whyNot(session, index, bits < 128n ? String(bits) : word);

/** The stop, or an instruction, in one line; the rule, where the manual has it, and the evidence as parts. @throws BadInput */
const why = (session: Session, index: number, which: Value | undefined): Value => {
  if (which !== undefined) {
    const word = String.fromCharCode(...bytesOf(which.bits, 8).filter((byte) => byte !== 0));
    const ask = answers.get(word) ?? whyReason(which, word);
    const { text, items } = ask(session, index);
    return number(0n, {
      wordy: true,
      meaning: text,
      ...(items.length === 0 ? {} : { items: () => ask(session, index).items }),
    });
  }
  const items = (): Item[] => whyItems(session, index);
  const [first, ...others] = items();
  const meaning = first?.meaning ?? '';
  return number(0n, { wordy: true, meaning, ...(others.length === 0 ? {} : { items: () => items().slice(1) }) });
};
