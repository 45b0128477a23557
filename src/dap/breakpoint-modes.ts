/** What the mode of a breakpoint can be, by where it applies: as the client is told, and as requests are checked. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { BadInput } from '../program/program';
import { breakModes } from './exception-filters';

type Applies = DebugProtocol.BreakpointModeApplicability;

const modes: readonly DebugProtocol.BreakpointMode[] = [
  {
    mode: 'linear',
    label: 'Linear address',
    description: 'Stops at this linear address, in whichever address space that is.',
    appliesTo: ['source', 'instruction'],
  },
  {
    mode: 'physical',
    label: 'Physical address',
    description: 'Stops for the memory that is at this address now, whichever linear address reaches it.',
    appliesTo: ['source', 'instruction', 'data'],
  },
  {
    mode: 'access',
    label: 'Every access',
    description: 'Stops at every access of the chosen kind.',
    appliesTo: ['data'],
  },
  {
    mode: 'change',
    label: 'Changed value',
    description: 'Stops only where a write changes the value.',
    appliesTo: ['data'],
  },
  ...Object.entries(breakModes).map(([mode, { label, description }]) => ({
    mode,
    label,
    description,
    appliesTo: ['exception' as const],
  })),
];

export const breakpointModes = (): DebugProtocol.BreakpointMode[] => [...modes];

/** @throws BadInput */
export const checkMode = (mode: string | undefined, applies: Applies): void => {
  const fitting = modes.filter(({ appliesTo }) => appliesTo.includes(applies)).map((one) => one.mode);
  if (mode !== undefined && !fitting.includes(mode))
    throw new BadInput(`${mode}: no such mode; one of ${fitting.join(', ')}`);
};
