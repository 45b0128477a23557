/** The functions of the expression language, one row each. None changes anything. */

import type { Cpu } from '../machine/cpu/cpu';
import { peekTranslation } from '../machine/cpu/paging';
import { BadInput } from '../program/program';
import { hex, linear } from '../x86/address';
import { explain, explainChain, explainFault, sectionOf, vectorTitle } from './explain';
import type { ExpressionFunction, Value } from './expression/evaluator';
import type { Item } from './item';
import { chainOf, pauseText } from './pause-text';
import type { Session } from './session';
import { walkLines } from './tables';

const ZERO: Value = { bits: 0n, signed: false, size: 8 };

const number = (bits: bigint, more: Partial<Value> = {}): Value => ({ bits, signed: false, size: 8, ...more });

/** All functions, for one vCPU. */
export const functionsOf = (session: Session, index: number): ReadonlyMap<string, ExpressionFunction> => {
  const { cpu } = session.vcpu(index);
  const rows: readonly ExpressionFunction[] = [
    {
      usage: 'walk(ADDRESS)',
      help: 'the physical address, and every level of the page walk with its verdict',
      takes: [1, 1],
      call: ([address = ZERO]) => walk(cpu, address.bits),
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
      usage: 'why()',
      help: 'why the machine stopped, with the rule and its evidence',
      takes: [0, 0],
      call: () => why(session),
    },
  ];
  return new Map(rows.map((row) => [row.usage.slice(0, row.usage.indexOf('(')), row]));
};

const physicalOf = (cpu: Cpu, address: bigint): bigint | undefined => {
  const found = peekTranslation(cpu, linear(address));
  return found === undefined ? undefined : BigInt(found);
};

const walk = (cpu: Cpu, address: bigint): Value => {
  const lines = walkLines(cpu, linear(address));
  const items = (): Item[] =>
    lines.map((line, index) => ({ name: /^[A-Z]+\d?E? /.exec(line)?.[0].trim() ?? `[${index}]`, meaning: line }));
  const found = physicalOf(cpu, address);
  const verdict = lines.at(-1) ?? '';
  return found === undefined
    ? number(0n, { wordy: true, meaning: verdict, items })
    : number(found, { meaning: verdict, items });
};

const symbolAt = ({ info }: Session, address: bigint): Value => {
  const near = info.symbols.at(linear(address));
  const meaning = info.placeOf(linear(address)).replace(/^\S+ ?/, '');
  if (near === null) return number(0n, { wordy: true, meaning: meaning === '' ? 'no symbol' : meaning });
  return number(near.symbol.address, { meaning });
};

const why = (session: Session): Value => {
  const { stopped: pause } = session;
  if (pause === undefined) return number(0n, { wordy: true, meaning: 'the program has not started yet' });
  if (pause.reason === 'fault') {
    const { fault } = pause;
    const section = sectionOf(fault.why);
    const items = (): Item[] => [
      { name: 'exception', bits: BigInt(fault.vector), size: 1, meaning: vectorTitle(fault.vector) },
      { name: 'rule', meaning: explain(fault.why) },
      ...(section === undefined ? [] : [{ name: 'manual', meaning: section }]),
    ];
    return number(BigInt(fault.vector), {
      wordy: true,
      meaning: explainFault({ ...fault, cr2: fault.address }),
      items,
    });
  }
  const chain = chainOf(pause);
  if (chain.length === 0) return number(0n, { wordy: true, meaning: pauseText(pause) });
  const items = (): Item[] => explainChain(chain).map((meaning, index) => ({ name: `[${index}]`, meaning }));
  return number(0n, { wordy: true, meaning: 'triple fault: the processor shut down', items });
};
