/** Stops on faults: one filter for each exception vector and one for all, each with an optional condition. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { type Environment, holds } from '../debugger/expression/evaluator';
import { parseExpression } from '../debugger/expression/parser';
import { describeError, type Expression, ExpressionError } from '../debugger/expression/syntax';
import type { FaultStop } from '../debugger/run-control';
import type { Session } from '../debugger/session';
import type { Fault } from '../machine/core/fault';
import { BadInput } from '../program/program';
import { exceptions } from '../x86/exceptions';

const ALL = 'all';
const CONDITION = 'an expression, for example: error_code == 2 && cr2 < 0x1000';

export const exceptionFilters = (): DebugProtocol.ExceptionBreakpointsFilter[] => [
  {
    filter: ALL,
    label: 'All faults',
    description: 'Stops before any exception is delivered.',
    supportsCondition: true,
    conditionDescription: CONDITION,
  },
  ...exceptions
    .filter(({ mnemonic }) => mnemonic !== 'NMI')
    .map(({ mnemonic, name }) => ({
      filter: mnemonic,
      label: `${mnemonic} ${name}`,
      description: `Stops before a ${mnemonic} is delivered.`,
      supportsCondition: true,
      conditionDescription: CONDITION,
    })),
];

interface Wanted {
  /** Undefined: every vector. */
  readonly vector: number | undefined;
  readonly condition: Expression | undefined;
}

/** @throws BadInput for a filter that does not exist or a condition that cannot be read */
export const readFilter = (filter: string, condition: string | undefined): Wanted => {
  const row = exceptions.find(({ mnemonic }) => mnemonic.toLowerCase() === filter.toLowerCase());
  if (row === undefined && filter !== ALL) throw new BadInput(`${filter}: no such exception`);
  if (condition === undefined || condition.trim() === '') return { vector: row?.vector, condition: undefined };
  try {
    return { vector: row?.vector, condition: parseExpression(condition) };
  } catch (error) {
    if (error instanceof ExpressionError) throw new BadInput(`condition \`${condition}\`: ${describeError(error)}`);
    throw error;
  }
};

/** Whether a fault is among those wanted; a condition that cannot be evaluated counts as met, and is told. */
export const faultStop =
  (session: Session, wanted: readonly Wanted[], problem: (text: string) => void): FaultStop =>
  (vcpu, fault) =>
    wanted.some(({ vector, condition }) => {
      if (vector !== undefined && vector !== fault.vector) return false;
      if (condition === undefined) return true;
      try {
        return holds(condition, withFault(session.environment(vcpu), fault));
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        problem(`condition of an exception breakpoint: ${describeError(error)}`);
        return true;
      }
    });

/** The fault's own values have names; CR2 reads as it will after the delivery. */
const withFault = (environment: Environment, fault: Fault): Environment => {
  const own: Readonly<Record<string, number | bigint | undefined>> = {
    vector: fault.vector,
    error_code: fault.errorCode ?? 0,
    cr2: fault.address,
  };
  return {
    natural: environment.natural,
    read: (space, address, size) => environment.read(space, address, size),
    name: (name, symbolOnly) => {
      const word = name.toLowerCase();
      const value = !symbolOnly && Object.hasOwn(own, word) ? own[word] : undefined;
      return value === undefined ? environment.name(name, symbolOnly) : { bits: BigInt(value), signed: false, size: 8 };
    },
  };
};
