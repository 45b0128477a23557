/** Why a processor shut down: the faults of a triple fault, or a VMX abort with the entry of the MSR area that led to it. */

import type { Shutdown } from '../../machine/core/event';
import type { VmxAbort } from '../../machine/core/exit';
import { explainChain } from '../explain';
import { refusalText } from './msr-area';

/** Intel SDM vol. 3, "VMX Aborts". */
const indicators: Readonly<Record<number, string>> = {
  1: 'saving guest MSRs',
  2: "the host's PDPTEs",
  4: 'loading host MSRs',
};

const areas: Readonly<Record<number, string>> = { 1: 'VM-exit MSR-store area', 4: 'VM-exit MSR-load area' };

const abortText = ({ indicator, refused }: VmxAbort): string =>
  refused === undefined
    ? "the PDPTEs at HOST_CR3 have reserved bits set, which the exit loads for the host's PAE paging"
    : refusalText(areas[indicator] ?? 'MSR area', refused);

/** What kind of shutdown it was. */
export const shutdownKind = ({ abort }: Shutdown): string =>
  abort === undefined ? 'triple fault' : `VMX abort ${abort.indicator} (${indicators[abort.indicator] ?? 'unknown'})`;

/** What led to it, a line each. */
export const shutdownLines = ({ chain, abort }: Shutdown): readonly string[] =>
  abort === undefined ? explainChain(chain) : [abortText(abort)];
