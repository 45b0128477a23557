/** Steps, breakpoints and the call stack across VM entries and exits, on the smallest hypervisor. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { framesOf } from '../../src/debugger/stack';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { control } from '../../src/machine/vmx/control-bits';
import { linear } from '../../src/x86/address';
import { hypervisor } from '../machine/vmx/hypervisor';
import { debug } from './guest-session';

/** Local labels at the instructions that matter. */
const source = readFileSync('examples/vmx/minimal.asm', 'utf8')
  .replace(/^ {4}vmlaunch$/m, '.launch: vmlaunch\n.behind:')
  .replace(/^ {4}vmresume$/m, '.resume: vmresume\n.behind:')
  .replace(
    /^ {4}xor eax, eax\n {4}cpuid\n {4}mov rdi, rax$/m,
    '    xor eax, eax\n.cpuid: cpuid\n.after: mov rdi, rax\n.hlt:',
  );

const start = async (text = source) => {
  const { session } = await debug(text);
  const vcpu = session.vcpu(0);
  const symbol = (name: string) => {
    const address = session.info.resolve(name, linear(0n));
    if (address === undefined) throw new Error(`no symbol ${name}`);
    return linear(address);
  };
  return {
    session,
    vcpu,
    symbol,
    at: () => session.info.nameOf(currentAddress(vcpu)),
    to: (name: string) => session.runUntil(0, symbol(name)),
    step: (depth: 'into' | 'over', granularity: 'instruction' | 'line' = 'instruction') =>
      session.step(0, depth, granularity),
  };
};

test('step into VMLAUNCH lands on the first instruction of the guest', async () => {
  const { to, step, at, vcpu } = await start();
  await to('start.launch');
  expect(await step('into')).toMatchObject({ reason: 'step' });
  expect([at(), vcpu.vmx?.nonRoot]).toEqual(['guest', true]);
});

test('step over VMLAUNCH lands where root operation goes on', async () => {
  const { to, step, at, vcpu } = await start();
  await to('start.launch');
  expect(await step('over')).toMatchObject({ reason: 'step' });
  expect([at(), vcpu.vmx?.nonRoot]).toEqual(['exit', false]);
  expect(vcpu.state.gpr(0)).toBe(0n);
});

test('step over an entry that fails lands behind it', async () => {
  const { to, step, at } = await start(
    source.replace('VMCS_LINK_POINTER, -1', 'HOST_RIP + 0, exit').replace('1 << 9                  ; host', '0 ; host'),
  );
  await to('start.launch');
  await step('over');
  expect(at()).toBe('start.behind');
});

test('stepping an instruction that exits lands on the first instruction of the host', async () => {
  const { to, step, at, vcpu } = await start();
  await to('guest.cpuid');
  await step('into');
  expect([at(), vcpu.vmx?.nonRoot]).toEqual(['exit', false]);
});

test('stepping over an instruction that exits lands where the guest goes on', async () => {
  const { to, step, at, vcpu } = await start();
  await to('guest.cpuid');
  expect(await step('over')).toMatchObject({ reason: 'step' });
  expect([at(), vcpu.vmx?.nonRoot, vcpu.state.gpr(0)]).toEqual(['guest.after', true, 0x12345678n]);
});

test('steps by line cross as steps by instruction do', async () => {
  const { to, step, at } = await start();
  await to('start.launch');
  await step('into', 'line');
  expect(at()).toBe('guest');
  await step('over', 'line');
  await step('over', 'line');
  expect(at()).toBe('guest.after');
});

test('a step by line into what exits shows the hypervisor, and over its VMRESUME the next exit', async () => {
  const { to, step, at, vcpu } = await start();
  await to('guest.cpuid');
  await step('into', 'line');
  expect(at()).toBe('exit');
  await to('exit.resume');
  await step('over', 'line');
  expect([at(), vcpu.vmx?.nonRoot, vcpu.vmx?.lastExit?.exit.reason]).toEqual(['exit', false, 12]);
});

test('step out of the hypervisor lands where the guest goes on', async () => {
  const { to, session, at } = await start();
  await to('exit');
  await session.stepOut(0);
  expect(at()).toBe('guest.after');
});

test('a breakpoint at the first instruction of the host and one in the guest both hit', async () => {
  const { session, symbol, at } = await start();
  session.breakpoints.add([symbol('exit')]);
  session.breakpoints.add([symbol('guest.after')]);
  const seen: (string | undefined)[] = [];
  for (let n = 0; n < 3; n++) {
    expect((await session.continue()).reason).toBe('breakpoint');
    seen.push(at());
  }
  expect(seen).toEqual(['exit', 'guest.after', 'exit']);
});

/** Sends an NMI to the processor itself, by its local APIC. */
const nmi = `mov edx, 0xfee00000
        mov dword [rdx + 0xf0], 0x1ff
        mov dword [rdx + 0x310], 0
        mov dword [rdx + 0x300], 0x4400
        nop`;

test('a breakpoint in the NMI handler of the host hits, and steps go on in it', async () => {
  const { session, vcpu, at } = await start(
    hypervisor({ guest: 'cpuid', onExit: nmi }).replace('push qword 2\n', 'nmi_handler: push qword 2\n'),
  );
  const handler = session.info.resolve('nmi_handler', linear(0n));
  expect(handler).toBeDefined();
  session.breakpoints.add([linear(handler ?? 0n)]);
  expect((await session.continue()).reason).toBe('breakpoint');
  expect(at()).toBe('nmi_handler');
  expect(vcpu.vmx?.nonRoot).toBe(false);
  const [, interrupted] = framesOf(vcpu, session.info);
  expect(interrupted).toMatchObject({ entered: 'interrupt', side: { name: 'root' } });
  const { rsp } = vcpu.state;
  await session.step(0, 'into', 'instruction');
  expect(vcpu.state.rsp).toBe(rsp - 8n);
});

test('the call stack shows the guest below its hypervisor', async () => {
  const { to, session, vcpu } = await start();
  await to('exit');
  const before = session.machine.stateHash();
  const frames = framesOf(vcpu, session.info);
  expect(frames.map(({ name, ring, mode, entered, side }) => [name, ring, mode, entered, side?.name])).toEqual([
    ['exit', 0, '64-bit', 'current', 'root'],
    ['guest.cpuid', 0, '64-bit', 'VM exit', 'guest'],
  ]);
  expect(session.machine.stateHash()).toBe(before);
});

test('in the guest the call stack is the guest’s, and before VMXON it has no sides', async () => {
  const { to, session, vcpu } = await start();
  expect(framesOf(vcpu, session.info)[0]?.side).toBeUndefined();
  await to('guest.cpuid');
  expect(framesOf(vcpu, session.info).map(({ side }) => side)).toEqual([{ name: 'guest' }]);
});

test('a breakpoint at an address that guest and host share is kept to one side by nonroot', async () => {
  // The guest calls what the host calls too.
  const { session, symbol, vcpu } = await start(
    source
      .replace('mov rdx, VM_EXIT_REASON', 'call shared\n    mov rdx, VM_EXIT_REASON')
      .replace(/^guest:$/m, 'shared: ret\nguest: call shared'),
  );
  const stops = async (condition?: string): Promise<(boolean | undefined)[]> => {
    const { id } = session.breakpoints.add([symbol('shared')], condition === undefined ? {} : { condition });
    const found = [];
    for (let n = 0; n < 2; n++) if ((await session.continue()).reason === 'breakpoint') found.push(vcpu.vmx?.nonRoot);
    session.breakpoints.remove(id);
    return found;
  };
  const snapshot = session.machine.snapshot();
  expect(await stops()).toEqual([true, false]);
  session.machine.restore(snapshot);
  expect(await stops('!nonroot')).toEqual([false, false]);
});

test('a call stepped over in the guest goes past the exits in it', async () => {
  const { to, step, at, vcpu } = await start(
    source
      .replace(/^guest:$/m, 'works: cpuid\n ret\nguest: call works\n.back:')
      .replace('cmp eax, 10 ', 'push rax\n    pop rax\n    cmp eax, 10 '),
  );
  await to('guest');
  await step('over');
  expect([at(), vcpu.vmx?.nonRoot]).toEqual(['guest.back', true]);
});

test('the guest’s callers are on the stack too', async () => {
  const { to, session, vcpu } = await start(
    source.replace(/^guest:$/m, 'works: cpuid\n ret\nguest: call works\n.back:'),
  );
  await to('exit');
  expect(framesOf(vcpu, session.info).map(({ name, entered, side }) => [name, entered, side?.name])).toEqual([
    ['exit', 'current', 'root'],
    ['works', 'VM exit', 'guest'],
    ['guest+0x5', 'call', 'guest'],
  ]);
});

test('steps by line pass exits that are no doing of the line', async () => {
  const { session, vcpu, at, step } = await start(
    hypervisor({
      pin: control.preemptionTimer,
      fields: { VMX_PREEMPTION_TIMER_VALUE: 1 },
      exits: 1000,
      guest: Array.from({ length: 60 }, (_, n) => `nop_${n}: nop`).join('\n'),
    }),
  );
  session.events.break('vmentry', { temporary: true });
  await session.continue();
  let exits = 0;
  session.machine.events.on(['vmexit'], () => exits++);
  for (let n = 1; n < 50; n++) {
    await step('into', 'line');
    expect([at(), vcpu.vmx?.nonRoot]).toEqual([`nop_${n}`, true]);
  }
  expect(exits).toBeGreaterThan(0);
});
