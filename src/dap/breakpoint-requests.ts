/** Breakpoints of all kinds: by line, by name, by address, on data, on exceptions and events. Each request replaces its kind. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { breakpointLocations, functionWish, instructionWish, sourceWish } from './code-breakpoints';
import type { Context } from './context';
import { dataBreakpointInfo, dataWish } from './data-breakpoints';
import { exceptionWishes } from './exception-breakpoints';
import type { Handlers } from './handlers';
import { tellChangedSources } from './modules';

export const breakpointHandlers = (context: Context): Handlers => {
  const { breakpoints } = context;
  return {
    setBreakpoints: ({ source, breakpoints: asked = [], sourceModified }: DebugProtocol.SetBreakpointsArguments) => {
      if (sourceModified === true && context.hasSession) void tellChangedSources(context);
      return {
        breakpoints: breakpoints.replace(
          `source ${source.sourceReference || (source.path ?? source.name ?? '')}`,
          asked.map((one) => sourceWish(context, source, one)),
        ),
      };
    },
    setFunctionBreakpoints: ({ breakpoints: asked }: DebugProtocol.SetFunctionBreakpointsArguments) => ({
      breakpoints: breakpoints.replace('function', asked.map(functionWish)),
    }),
    setInstructionBreakpoints: ({ breakpoints: asked }: DebugProtocol.SetInstructionBreakpointsArguments) => ({
      breakpoints: breakpoints.replace('instruction', asked.map(instructionWish)),
    }),
    setDataBreakpoints: ({ breakpoints: asked }: DebugProtocol.SetDataBreakpointsArguments) => ({
      breakpoints: breakpoints.replace('data', asked.map(dataWish)),
    }),
    setExceptionBreakpoints: (args: DebugProtocol.SetExceptionBreakpointsArguments) => ({
      breakpoints: breakpoints.replace('exception', exceptionWishes(args)),
    }),
    dataBreakpointInfo: (args: DebugProtocol.DataBreakpointInfoArguments) => dataBreakpointInfo(context, args),
    breakpointLocations: (args: DebugProtocol.BreakpointLocationsArguments) => breakpointLocations(context, args),
  };
};

/** Sets on another machine what the client has asked for, under the same numbers, and tells where it is now. */
export const restoreBreakpoints = (context: Context): void => {
  for (const breakpoint of context.breakpoints.restore()) context.send('breakpoint', { reason: 'changed', breakpoint });
};
