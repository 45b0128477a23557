/** Guests behind EPT: 1 GiB of identity by 2 MiB pages, the third of them by 4 KiB. */

import type { MachineEvent } from '../../../src/machine/core/event';
import type { MachineOptions } from '../../../src/machine/pc';
import type { Spec } from './hypervisor';
import { type Run, runHypervisor } from './run-hypervisor';

export const PML4 = 0x30_0000;
export const PDPT = 0x30_1000;
export const PD = 0x30_2000;
/** Of guest-physical 0x400000 to 0x5fffff. */
export const PT = 0x30_3000;
/** Where `PT`'s pages begin. */
export const DATA = 0x40_0000;
/** Write-back, four levels. */
export const POINTER = PML4 | 0x1e;
export const ACCESSED_DIRTY = 0x40;
const WRITE_BACK = 0x30;
/** An entry of `PT`: rights and where it leads. */
export const page = (address: number, rights = 7): number => address | rights | WRITE_BACK;

export const secondary = { ept: 2, vpid: 0x20, unrestricted: 0x80 } as const;
export const VIOLATION = 48;
export const MISCONFIGURATION = 49;

/** The host's write of a quadword. */
export const put = (address: number, value: number | bigint): string =>
  `        mov rax, ${value}\n        mov [${address}], rax\n`;

const fill = (name: string, first: number, entry: number, step: number): string => `
        mov rdi, ${first}
        mov rax, ${entry}
${name}: mov [rdi], rax
        add rdi, 8
        add rax, ${step}
        cmp rdi, ${first + 4096}
        jb ${name}
`;

export const tables = [
  put(PML4, PDPT | 7),
  put(PDPT, PD | 7),
  fill('ept_directory', PD, 0x80 | page(0), 0x20_0000),
  fill('ept_table', PT, page(DATA), 4096),
  put(PD + 16, PT | 7),
].join('');

export type VmExitEvent = MachineEvent & { readonly kind: 'vmexit' };

/** Starts a guest behind these tables, as `changes` leave them, and gives its exits. */
export const behindEpt = (
  guest: string,
  changes = '',
  spec: Partial<Spec> = {},
  options: Partial<MachineOptions> = {},
): Run & { readonly seen: readonly VmExitEvent[] } => {
  const run = runHypervisor(
    {
      guest,
      secondary: secondary.ept,
      ...spec,
      setup: tables + changes + (spec.setup ?? ''),
      fields: { EPT_POINTER: POINTER, ...spec.fields },
    },
    options,
  );
  const seen = run.guest.events.filter((event): event is VmExitEvent => event.kind === 'vmexit');
  return { ...run, seen };
};

/** The first exit of such a guest. */
export const firstExit = (
  guest: string,
  changes: string,
  spec: Partial<Spec> = {},
  options: Partial<MachineOptions> = {},
): VmExitEvent => {
  const { seen } = behindEpt(guest, changes, { exits: 1, ...spec }, options);
  const [first] = seen;
  if (first === undefined) throw new Error('the guest did not exit');
  return first;
};
