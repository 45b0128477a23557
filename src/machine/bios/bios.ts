/**
 * The BIOS of the machine: for each service of the boot contract one routine of native code, and for each interrupt an
 * entry that finds the service by its function number. The list of services comes with the program; what they do is
 * here, by their ids.
 */

import { type Action, ROUTINE_SIZE, type Routine } from '../native';
import { a20Services } from './a20';
import { BiosCall, type RegisterName } from './call';
import { diskServices } from './disk';
import { type Host, type Service, type ServiceItem, ticks } from './host';
import { keyboardServices } from './keyboard';
import { memoryServices } from './memory';
import { timerServices } from './timer';
import { videoServices } from './video';

/** What a program's start brings with it; structurally part of program/bios-services.ts. */
export interface Bios extends Host {
  readonly services: readonly {
    readonly id: string;
    readonly interrupt: number;
    readonly selects: { readonly register: RegisterName; readonly value: number } | null;
  }[];
  /** Physical address of the entry of int 0; each has 16 bytes. */
  readonly entries: number;
}

const INTERRUPTS = 256;
const IRET = 0xcf;

const services: ReadonlyMap<string, Service> = new Map(
  Object.entries({
    ...videoServices,
    ...diskServices,
    ...memoryServices,
    ...a20Services,
    ...keyboardServices,
    ...timerServices,
  }),
);

const WRITE_PROTECTED = 3;
/** What AH says when an interrupt has no such function; interrupts without a row say nothing. */
const refusals: ReadonlyMap<number, (ah: number) => number> = new Map<number, (ah: number) => number>([
  [0x13, (ah) => (ah === 0x03 || ah === 0x43 ? WRITE_PROTECTED : 0x01)],
  [0x15, () => 0x86],
]);

/** The routines of all interrupts, services behind the entries. @throws RangeError for a service that nobody provides */
export const biosRoutines = (bios: Bios): Routine[] => {
  const routines: Routine[] = [];
  const functions = new Map<number, { register: RegisterName; value: number; address: number }[]>();
  let next = bios.entries + INTERRUPTS * ROUTINE_SIZE;
  for (const { id, interrupt, selects } of bios.services) {
    const service = services.get(id);
    if (!service) throw new RangeError(`no BIOS service ${id}`);
    const address = selects ? next : entryOf(bios, interrupt);
    if (selects) {
      functions.set(interrupt, [...(functions.get(interrupt) ?? []), { ...selects, address }]);
      next += ROUTINE_SIZE;
    }
    routines.push({ name: `${nameOf(interrupt)} ${id}`, address, code: codeOf(service, bios, address) });
  }
  for (const [interrupt, choices] of functions) {
    const dispatch: Action = {
      ticks: ticks.dispatch,
      run: (vcpu) => {
        const call = new BiosCall(vcpu);
        const chosen = choices.find(({ register, value }) => call.get(register) === value);
        if (chosen) return chosen.address;
        const refusal = refusals.get(interrupt);
        if (refusal) {
          call.setFlag('CF', true);
          call.set('ah', refusal(call.get('ah')));
        }
        return undefined;
      },
    };
    routines.push({ name: nameOf(interrupt), address: entryOf(bios, interrupt), code: [dispatch, IRET] });
  }
  const taken = new Set(routines.map(({ address }) => address));
  for (let interrupt = 0; interrupt < INTERRUPTS; interrupt++) {
    const address = entryOf(bios, interrupt);
    if (!taken.has(address)) routines.push({ name: `${nameOf(interrupt)} (no service)`, address, code: [IRET] });
  }
  return routines;
};

const entryOf = ({ entries }: Bios, interrupt: number): number => entries + interrupt * ROUTINE_SIZE;
const nameOf = (interrupt: number): string => `int ${interrupt.toString(16).padStart(2, '0')}h`;

const codeOf = (service: Service, host: Host, address: number): Routine['code'] =>
  [...service, IRET].map((item) => (typeof item === 'number' ? item : actionOf(item, host, address)));

const actionOf = ({ ticks, run }: Exclude<ServiceItem, number>, host: Host, address: number): Action => ({
  ticks,
  run: (vcpu) => {
    const offset = run(new BiosCall(vcpu), host);
    return offset === undefined ? undefined : address + offset;
  },
});
