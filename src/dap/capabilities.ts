/** What this adapter can do: only what has a handler. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { breakpointModes } from './breakpoint-modes';
import { exceptionFilters } from './exception-filters';
import { moduleColumns } from './modules';

/** @param stays whether a machine can stay when its client goes, because another one could come back to it */
export const capabilities = (stays = true): DebugProtocol.Capabilities => ({
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsInstructionBreakpoints: true,
  supportsDataBreakpoints: true,
  supportsDataBreakpointBytes: true,
  supportsBreakpointLocationsRequest: true,
  supportsEvaluateForHovers: true,
  supportsClipboardContext: true,
  supportsSetVariable: true,
  supportsSetExpression: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['.', '$', '%', ':', '[', '(', ',', ' '],
  exceptionBreakpointFilters: exceptionFilters(),
  supportsExceptionOptions: true,
  breakpointModes: breakpointModes(),
  supportsExceptionFilterOptions: true,
  supportsExceptionInfoRequest: true,
  supportsSteppingGranularity: true,
  supportsGotoTargetsRequest: true,
  supportsDelayedStackTraceLoading: true,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsValueFormattingOptions: true,
  supportsANSIStyling: true,
  supportsModulesRequest: true,
  supportedChecksumAlgorithms: ['MD5'],
  additionalModuleColumns: [...moduleColumns],
  supportsLoadedSourcesRequest: true,
  supportsRestartRequest: true,
  supportsTerminateRequest: true,
  supportsRestartFrame: true,
  supportsStepInTargetsRequest: true,
  supportsSingleThreadExecutionRequests: true,
  supportsTerminateThreadsRequest: true,
  supportsCancelRequest: true,
  supportTerminateDebuggee: true,
  supportSuspendDebuggee: stays,
});

/** What turns out to be otherwise when the machine is known; undefined when nothing does. */
export const capabilitiesFor = (vcpus: number): DebugProtocol.Capabilities | undefined =>
  vcpus > 1 ? undefined : { supportsSingleThreadExecutionRequests: false, supportsTerminateThreadsRequest: false };
