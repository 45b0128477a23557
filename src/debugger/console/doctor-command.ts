/** `doctor`: would this VMCS enter, and if not, which rules does it break? Before VMXON: would VMXON succeed? */

import { doctorLive } from '../doctor/live';
import { vmxonFindings, vmxonLines } from '../doctor/vmxon';
import { evaluated } from './arguments';
import { type Command, lines } from './command';
import { completeExpression } from './completion';

export const doctorCommands: readonly Command[] = [
  {
    names: ['doctor'],
    usage: '[ADDRESS]',
    help: 'Says which rules of VM entry the current VMCS breaks, or the one at a physical address, and what mends it.',
    more: ['Before VMX operation it says what VMXON would refuse.'],
    complete: (console, argument) => completeExpression(console, argument),
    run: (console, argument) => {
      const { session, vcpu } = console;
      if (argument === '' && session.vcpu(vcpu).vmx?.on !== true)
        return lines(...vmxonLines(vmxonFindings(session, vcpu)));
      const address = argument === '' ? undefined : evaluated(console, argument).bits;
      return lines(...doctorLive(session, vcpu, address).lines);
    },
  },
];
