/**
 * The delivery of an exception to a guest, rehearsed on copies: whether it ends in an exit by itself, because EPT, the exception
 * bitmap or a triple fault is in its way. Intel SDM vol. 3, "Exceptions and VM Exits" and "Information for VM Exits During Event
 * Delivery".
 */

import type { Exit } from '../../machine/core/exit';
import { Fault } from '../../machine/core/fault';
import type { Cpu, LinearMemory, Privilege } from '../../machine/cpu/cpu';
import { presentView } from '../../machine/cpu/look';
import { VmExit } from '../../machine/cpu/virtualization';
import { deliverInGuest } from '../../machine/vmx/guest-delivery';
import type { Vmx } from '../../machine/vmx/vmx';
import { linear } from '../../x86/address';
import { peekValue } from '../guest-memory';
import { accessRefusal } from './accesses';
import { supposing } from './looking';

/** The guest's memory, with what its tables and EPT refuse, and without writes. */
const judged = (cpu: Cpu): LinearMemory => {
  const view = presentView(cpu);
  const check = (kind: 'read' | 'write', address: bigint, size: number, privilege: Privilege = 'current'): void => {
    const user = privilege === 'user' || (privilege === 'current' && view.state.cpl === 3);
    for (const at of new Set([address, address + BigInt(size - 1)])) {
      const touched = { kind, linear: BigInt.asUintN(64, at) };
      const refusal = accessRefusal(cpu, touched, view, user);
      if (refusal !== undefined) throw refusal instanceof Fault ? refusal : new VmExit(refusal);
    }
  };
  return {
    read: (address, size, privilege) => {
      check('read', address, size, privilege);
      return peekValue(cpu, linear(BigInt.asUintN(64, address)), size) ?? 0n;
    },
    write: (address, size, _value, privilege) => check('write', address, size, privilege),
    probe: (address, size, privilege) => check('write', address, size, privilege),
    window: () => -1,
  };
};

/** The exit that comes up; undefined where the guest's handler is reached. */
export const exitInDelivery = (vmx: Vmx, fault: Fault): Exit | undefined => {
  let found: Exit | undefined;
  const exit = (one: Exit): void => {
    found = one;
  };
  deliverInGuest(supposing(vmx, { exit, linear: judged(vmx.cpu) }), fault);
  return found;
};
