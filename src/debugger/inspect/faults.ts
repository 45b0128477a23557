/**
 * Faults: the one that is about to be delivered, the chain of a triple fault with what was being delivered and why that
 * failed, and the last faults with their reasons. All of it stays after a reset.
 */

import type { FaultRecord, MachineEvent } from '../../machine/core/event';
import type { Reason } from '../../machine/core/fault';
import { hex, linear } from '../../x86/address';
import { explain, faultTitle, sectionOf, vectorName, vectorOfRule } from '../explain';
import type { Item } from '../item';
import type { ProgramInfo } from '../program-info';
import { recollectionOf } from './recollection';
import type { Subject } from './scope';

export const faultItems = ({ machine, info }: Subject): Item[] => {
  const { faults } = recollectionOf(machine);
  const shutdown = [...faults].reverse().find((event) => event.kind === 'triple-fault');
  return [
    ...(shutdown?.kind === 'triple-fault'
      ? [
          {
            name: 'triple fault',
            meaning: `vCPU ${shutdown.vcpu} at step ${shutdown.step}: ${shutdown.chain.map(({ vector }) => vectorName(vector)).join(' → ')}`,
            children: () => chainItems(shutdown.chain, info),
          },
        ]
      : []),
    ...faults.map((event, index) => eventItem(event, faults.length - 1 - index, info)).reverse(),
    ...(faults.length === 0 ? [{ name: 'none', meaning: 'no fault was delivered yet' }] : []),
  ];
};

/** The links of a chain: the first cause, then what came up while the one before was being delivered. */
export const chainItems = (chain: readonly FaultRecord[], info: ProgramInfo): Item[] =>
  chain.map((record, index): Item => {
    const before = chain[index - 1];
    const role =
      before === undefined
        ? 'the first cause'
        : record.why.rule === 'double-fault'
          ? `instead of delivering ${vectorName(before.vector)}`
          : `while ${vectorName(before.vector)} was being delivered`;
    return {
      name: `${index + 1}`,
      meaning: `${faultTitle(record)}: ${role}`,
      code: linear(record.rip),
      children: () => [place(record.rip, info), ...reasonItems(record.why)],
    };
  });

/** The rule that decided, and what it was decided on. */
export const reasonItems = (why: Reason): Item[] => {
  const section = sectionOf(why);
  const vector = vectorOfRule(why);
  const number = (name: string, bits: bigint | number | undefined, more: Partial<Item> = {}): Item[] =>
    bits === undefined ? [] : [{ name, bits: BigInt(bits), ...more }];
  return [
    { name: 'why', meaning: explain(why) },
    { name: 'rule', meaning: why.rule },
    ...(section === undefined ? [] : [{ name: 'manual', meaning: section }]),
    ...number('linear address', why.linear, {
      size: 8,
      ...(why.linear === undefined ? {} : { memory: { space: 'linear', address: why.linear } }),
    }),
    ...(vector === undefined ? number('selector', why.selector, { size: 2 }) : number('vector', vector, { size: 1 })),
    ...number(why.level ?? (vector === undefined ? 'descriptor' : 'gate'), why.entry, { size: 8 }),
    ...number('entry at', why.entryAddress, {
      size: 8,
      ...(why.entryAddress === undefined
        ? {}
        : { memory: { space: why.level === undefined ? 'linear' : 'phys', address: why.entryAddress } }),
    }),
    ...(why.register === undefined ? [] : [{ name: 'register', meaning: why.register.toUpperCase() }]),
    ...number('bit', why.bit, { size: 1 }),
    ...number('value', why.value, { size: 8 }),
    ...(why.instruction === undefined ? [] : [{ name: 'instruction', meaning: why.instruction }]),
  ];
};

const place = (rip: bigint, info: ProgramInfo): Item => {
  const name = info.nameOf(linear(rip));
  return { name: 'rip', bits: rip, size: 8, ...(name === undefined ? {} : { meaning: name }), code: linear(rip) };
};

type Kept = MachineEvent & { readonly kind: 'trap' | 'triple-fault' | 'reset' };

/** Names count back from the last, so that the newest is always the first row. */
const eventItem = (event: Kept, back: number, info: ProgramInfo): Item => {
  const name = back === 0 ? 'last' : `${back} before`;
  const at = `vCPU ${event.vcpu}, step ${event.step}`;
  if (event.kind === 'reset') return { name, meaning: `reset by ${event.by} (${at})` };
  if (event.kind === 'triple-fault')
    return {
      name,
      meaning: `triple fault, the processor shut down (${at})`,
      children: () => chainItems(event.chain, info),
    };
  const during = event.during === undefined ? '' : ` while ${vectorName(event.during)} was being delivered`;
  const where = info.nameOf(linear(event.at)) ?? hex(event.rip);
  return {
    name,
    meaning: `${faultTitle(event)}${during}, at ${where} (${at})`,
    code: linear(event.at),
    children: () => [place(event.rip, info), ...reasonItems(event.why)],
  };
};
