/** Events as the VMCS names them: vector, type, error code. Intel SDM vol. 3, "VM-Entry Controls for Event Injection". */

import type { GuestEvent } from '../cpu/virtualization';

const eventTypes: Readonly<Record<GuestEvent['type'], number>> = {
  'external-interrupt': 0,
  nmi: 2,
  'hardware-exception': 3,
  'software-interrupt': 4,
  'privileged-software-exception': 5,
  'software-exception': 6,
};

const typeNames: readonly (GuestEvent['type'] | undefined)[] = [
  'external-interrupt',
  undefined,
  'nmi',
  'hardware-exception',
  'software-interrupt',
  'privileged-software-exception',
  'software-exception',
];

const VALID = 0x8000_0000;
const HAS_CODE = 1 << 11;

/** The field that describes an event. `unblocked`: an IRET that faulted had ended NMI blocking (bit 12). */
export const informationOf = ({ vector, type, errorCode }: GuestEvent, unblocked = false): number =>
  (VALID | vector | (eventTypes[type] << 8) | (errorCode === undefined ? 0 : HAS_CODE) | (unblocked ? 1 << 12 : 0)) >>>
  0;

/** The event that a VM-entry interruption-information field injects; undefined where it is not valid or a pending MTF exit. */
export const injectedEvent = (info: number, code: number, length: number): GuestEvent | undefined => {
  const type = typeNames[(info >>> 8) & 7];
  if (!(info & VALID) || type === undefined) return undefined;
  const software =
    type === 'software-interrupt' || type === 'software-exception' || type === 'privileged-software-exception';
  return {
    vector: info & 0xff,
    type,
    ...(info & HAS_CODE ? { errorCode: code & 0xffff } : {}),
    ...(software ? { length } : {}),
  };
};

/** Does the field inject a pending MTF VM exit? */
export const injectsTrapFlag = (info: number): boolean => (info & VALID) !== 0 && ((info >>> 8) & 7) === 7;
