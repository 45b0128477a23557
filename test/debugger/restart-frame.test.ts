/** Back to where a function began: what is set back, and when that is refused. */

import { expect, test } from 'vitest';
import { restartFrame } from '../../src/debugger/restart-frame';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { debug } from './guest-session';

const nested = `bits 64
start:  mov rbp, rsp
        mov ecx, 7
        call outer              ; line 4
        hlt
outer:  push rbp
        mov rbp, rsp
        sub rsp, 32
        mov ecx, 9
        call inner              ; line 10
        leave
        ret
inner:  push rbp
        mov rbp, rsp
        push rax
        nop                     ; line 16
        leave
        ret
`;

const inInner = async () => {
  const { session, line } = await debug(nested);
  const begins = session.info.symbols.named('outer')?.address;
  const deep = session.info.lines.addresses('guest.asm', 16)?.addresses[0];
  if (begins === undefined || deep === undefined) throw new Error('the guest has changed');
  await session.runUntil(0, begins);
  const { state } = session.vcpu(0);
  const atOuter = { rip: state.rip, rsp: state.rsp, rbp: state.gpr(5) };
  await session.runUntil(0, deep);
  return { session, line, state, atOuter };
};

test('the innermost function starts again with its own stack', async () => {
  const { session, state, line } = await inInner();
  const before = state.rsp;
  const said = restartFrame(session.machine, 0, 0, session.info);
  expect(said).toBe(
    'inner starts again: rip, rsp and rbp are set back; other registers, memory and devices stay as they are',
  );
  expect(line()).toBe(13);
  expect(state.rsp).toBe(before + 16n);
  await session.stepOut(0);
  expect(line()).toBe(11);
});

test('one further out starts again as it was called; other registers stay', async () => {
  const { session, state, atOuter } = await inInner();
  restartFrame(session.machine, 0, 1, session.info);
  expect({ rip: state.rip, rsp: state.rsp, rbp: state.gpr(5) }).toEqual(atOuter);
  expect(state.gpr(1)).toBe(9n);
  await session.stepOut(0);
  expect(session.info.nameOf(currentAddress(session.vcpu(0)))).toMatch(/^start\+/);
});

test('what nobody called, and what an interrupt entered, cannot start again', async () => {
  const { session } = await inInner();
  expect(() => restartFrame(session.machine, 0, 2, session.info)).toThrow(/^nobody called this code/);
  expect(() => restartFrame(session.machine, 0, 9, session.info)).toThrow('this frame is no longer on the stack');
  expect(session.machine.log.entries).toHaveLength(0);

  const gate =
    'idt: times 0x30 dq 0, 0\n dw handler - $$, 8, 0x8e00, 0x10\n dq 0\nend:\npointer: dw end - idt - 1\n dq idt\n';
  const other = await debug(`bits 64\nstart: lidt [pointer]\nint 0x30\nhlt\nhandler: nop\niretq\nalign 16\n${gate}`);
  for (let n = 0; n < 3; n++) await other.session.step(0, 'into', 'instruction');
  expect(other.session.info.nameOf(currentAddress(other.session.vcpu(0)))).toMatch(/^handler/);
  expect(() => restartFrame(other.session.machine, 0, 0, other.session.info)).toThrow(/^an interrupt lies between/);
});
