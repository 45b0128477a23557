/** A refresh of every view, between any two steps, leaves no trace in the machine. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { disassembleBackward, disassembleForward } from '../../src/debugger/disassemble';
import { evaluate } from '../../src/debugger/expression/evaluator';
import { parseExpression } from '../../src/debugger/expression/parser';
import { peekLinear } from '../../src/debugger/guest-memory';
import { scopesOf } from '../../src/debugger/inspect/scopes';
import { walkItems } from '../../src/debugger/inspect/walk';
import { framesOf } from '../../src/debugger/stack';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { linear } from '../../src/x86/address';
import { randomLines, randomProgram } from '../machine/random-guest';
import { type Debugged, debug } from './guest-session';

/** Code, stack, data, what was never touched, the screen, the APICs' registers, and where nothing is mapped. */
const places = [0x10_0000n, 0x8_fff0n, 0x20_0ff8n, 0x70_0000n, 0xb_8000n, 0xfec0_0000n, 0xfee0_0000n, 1n << 40n];

/** Everything that the views show, and the console can ask for. */
const lookAtEverything = ({ session }: Debugged): void => {
  const { machine, info } = session;
  const vcpu = session.vcpu(0);
  for (const scope of scopesOf(machine, vcpu, info)) for (const { children } of scope.items()) children?.();
  framesOf(vcpu, info);
  const view = session.codeView(0);
  const here = currentAddress(vcpu);
  disassembleForward(view, here, 20);
  disassembleBackward(view, here, 20);
  for (const place of places) {
    walkItems(vcpu.cpu, linear(place));
    peekLinear(vcpu.cpu, linear(place), 0x400);
  }
  for (const text of ['phys[0xfee00020]:u32 + [rsp]', '[0x710000]:u8', 'msr[0x10]', 'step + vtime'])
    evaluate(parseExpression(text), session.environment(0));
};

test('the state is the same before and after, at every step', async () => {
  const guest = await debug('bits 64\nmov ecx, 9\nagain: inc rbx\nmov [0x200000 + rbx], bl\nloop again\nhlt\n');
  for (let n = 0; n < 20; n++) {
    await guest.session.step(0, 'into', 'instruction');
    const before = guest.session.machine.stateHash();
    lookAtEverything(guest);
    expect(guest.session.machine.stateHash()).toBe(before);
  }
});

test('random guests with interrupts, devices and changing code go on to the same state', async () => {
  const slices = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 3, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(randomLines, slices, async (text, lengths) => {
      const [looked, plain] = [await debug(randomProgram(text)), await debug(randomProgram(text))];
      let total = 0;
      for (const length of lengths) {
        total += length;
        looked.session.machine.runTo(total);
        lookAtEverything(looked);
      }
      plain.session.machine.runTo(total);
      expect(looked.session.machine.stateHash()).toBe(plain.session.machine.stateHash());
    }),
    { numRuns: 6 },
  );
});
