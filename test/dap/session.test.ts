/** Whole sessions: launch, breakpoints, steps, output, the end. */

import { describe, expect, test } from 'vitest';
import { useGuests } from './client';

const { open, write } = useGuests();

const counting = `bits 64
start:  xor eax, eax            ; #START
        mov ecx, 5
.loop:  inc eax                 ; #LOOP
        call double             ; #CALL
        dec ecx                 ; #AFTER
        jnz .loop
        mov rsi, text           ; #DONE
.print: lodsb
        test al, al
        jz .end
        out 0xe9, al
        jmp .print
.end:   mov al, 3               ; #END
        out 0xf4, al
        hlt

; only a comment              ; #COMMENT
double: lea ebx, [rax + rax]    ; #DOUBLE
        mov rdx, 0xffff800000001234
        ret                     ; #RET
text:   db 'done', 10, 'half', 0
`;

describe('start and end', () => {
  test('stopOnEntry stops before the first instruction', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true });
    expect(await client.stopped()).toMatchObject({ reason: 'entry', threadId: 1, allThreadsStopped: true });
    expect(await client.where()).toBe(client.lineOf('START'));
    const { body } = await client.dap.threadsRequest();
    expect(body.threads).toEqual([{ id: 1, name: 'vCPU 0 (64-bit, ring 0)' }]);
  });

  test('guest output arrives as stdout, the unfinished line too, then the exit status', async () => {
    const client = await open(counting);
    await client.launch();
    expect(await client.event('exited')).toEqual({ exitCode: 7 });
    await client.event('terminated');
    expect(client.output).toBe('done\nhalf');
  });

  test('a launch that cannot be is refused with one line', async () => {
    const client = await open('bits 64\nmov eax, [rbx\n');
    await expect(client.launch()).rejects.toThrow(/guest\.asm:2:\d+: /);
    const second = await open('bits 64\nhlt\n');
    await expect(second.launch({ memory: '7K' })).rejects.toThrow(
      'memory 7K: a size from 1M to 2G is wanted, such as 64M',
    );
  });

  test('a halted machine can be looked at; going on ends it with status 0', async () => {
    const client = await open('bits 64\nmov eax, 0x1234\ncli\nhlt\n');
    await client.launch();
    expect(await client.stopped()).toMatchObject({ reason: 'pause', description: 'Halted' });
    expect(await client.register('rax')).toBe('0x1234');
    await client.dap.continueRequest({ threadId: 1 });
    expect(await client.event('exited')).toEqual({ exitCode: 0 });
  });

  test('a triple fault stops with its chain', async () => {
    const client = await open('bits 64\nud2\n');
    await client.launch();
    const stopped = await client.stopped();
    expect(stopped).toMatchObject({ reason: 'exception', description: 'Triple fault' });
    expect(stopped.text?.split('\n')).toHaveLength(2);
    expect(stopped.text).toMatch(/^1\. #UD Invalid Opcode at 0x100000: .*\n2\. no IDT is loaded/);
    const info = await client.request('exceptionInfo', { threadId: 1 });
    expect(info.exceptionId).toBe('triple fault');
    await client.dap.continueRequest({ threadId: 1 });
    expect(await client.event('exited')).toEqual({ exitCode: 6 });
  });

  test('noDebug runs to the end without stopping', async () => {
    const client = await open('bits 64\nmov eax, 0x1234\ncli\nhlt\n');
    await client.launch({ noDebug: true, stopOnEntry: true });
    expect(await client.event('exited')).toEqual({ exitCode: 0 });
  });

  test.each([
    ['a spinning guest', 'again: jmp again'],
    ['a guest that never retires an instruction', 'mov ecx, -1\nmov esi, 0x200000\na32 rep lodsb'],
  ])('%s pauses within 50 ms', async (_, code) => {
    const client = await open(`bits 64\n${code}\n`);
    await client.launch();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const times: number[] = [];
    for (let n = 0; n < 5; n++) {
      const asked = performance.now();
      await client.dap.pauseRequest({ threadId: 1 });
      expect(await client.stopped()).toMatchObject({ reason: 'pause' });
      times.push(performance.now() - asked);
      await client.dap.continueRequest({ threadId: 1 });
    }
    // The best of five: the machine that runs the tests has other things to do as well.
    expect(Math.min(...times)).toBeLessThan(50);
  });

  test('maxInstructions ends the session with status 4', async () => {
    const client = await open('bits 64\nagain: jmp again\n');
    await client.launch({ maxInstructions: 1000 });
    expect(await client.event('exited')).toEqual({ exitCode: 4 });
  });

  test('restart loads the source anew and keeps breakpoints and their ids', async () => {
    const client = await open(counting);
    let id: number | undefined;
    await client.launch({}, async () => {
      id = (await client.breakAt('DONE')).body.breakpoints[0]?.id;
    });
    expect(await client.stopped()).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [id] });
    write('guest.asm', counting.replace('mov ecx, 5', 'mov ecx, 9'));
    await client.request('restart', {});
    expect(await client.stopped()).toMatchObject({ reason: 'breakpoint', hitBreakpointIds: [id] });
    expect(await client.register('rax')).toBe('0x9');
    expect(await client.where()).toBe(client.lineOf('DONE'));
  });

  test('terminate ends the session', async () => {
    const client = await open('bits 64\nagain: jmp again\n');
    await client.launch();
    await client.request('terminate', {});
    await client.event('terminated');
  });
});

describe('breakpoints', () => {
  test('on a line, moved to the next line with code', async () => {
    const client = await open(counting);
    await client.launch({}, async () => {
      const { body } = await client.breakAt('COMMENT', { line: 4000 });
      expect(body.breakpoints).toMatchObject([
        { verified: true, line: client.lineOf('DOUBLE') },
        { verified: false, message: 'there is no code on this line or after it' },
      ]);
    });
    expect(await client.stopped()).toMatchObject({ reason: 'breakpoint' });
    expect(await client.where()).toBe(client.lineOf('DOUBLE'));
  });

  test('conditions compare registers, flags and numbers', async () => {
    const client = await open(counting);
    await client.launch({}, () => client.breakAt({ line: client.lineOf('LOOP'), condition: 'ecx == 2 && !cf' }));
    await client.stopped();
    expect(await client.register('rcx')).toBe('0x2');
    expect(await client.register('rax')).toBe('0x3');
  });

  test('a condition that cannot be read is told, and not verified', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true }, async () => {
      const { body } = await client.breakAt({ line: client.lineOf('LOOP'), condition: 'ecx == ' });
      expect(body.breakpoints).toEqual([
        {
          id: 1,
          verified: false,
          reason: 'failed',
          message: 'condition `ecx == `: a value is missing before the end (column 8)',
        },
      ]);
    });
  });

  test('a condition with an unknown name stops and says so', async () => {
    const client = await open(counting);
    await client.launch({}, () => client.breakAt({ line: client.lineOf('LOOP'), condition: 'nonsense == 2' }));
    await client.stopped();
    expect(client.console).toBe(
      'condition `nonsense == 2`: there is no register, flag or symbol `nonsense` (column 1)\n',
    );
  });

  test('hit counts', async () => {
    const client = await open(counting);
    await client.launch({}, () => client.breakAt({ line: client.lineOf('LOOP'), hitCondition: '== 3' }));
    await client.stopped();
    expect(await client.register('rcx')).toBe('0x3');
  });

  test('log messages print and go on', async () => {
    const client = await open(counting);
    await client.launch({}, () =>
      client.breakAt({ line: client.lineOf('AFTER'), logMessage: 'eax {eax}, {{rbx}} {rbx}' }),
    );
    await client.event('exited');
    expect(client.console.split('\n').slice(0, 5)).toEqual([
      'eax 0x1, {rbx} 0x2',
      'eax 0x2, {rbx} 0x4',
      'eax 0x3, {rbx} 0x6',
      'eax 0x4, {rbx} 0x8',
      'eax 0x5, {rbx} 0xa',
    ]);
  });

  test('on a symbol and on an address', async () => {
    const client = await open(counting);
    await client.launch({}, async () => {
      const { body } = await client.dap.setFunctionBreakpointsRequest({
        breakpoints: [{ name: 'double' }, { name: 'tripple' }],
      });
      expect(body.breakpoints).toMatchObject([
        { verified: true },
        { verified: false, message: 'there is no register, flag or symbol `tripple` (column 1)' },
      ]);
    });
    expect(await client.stopped()).toMatchObject({ reason: 'function breakpoint' });
    expect(await client.where()).toBe(client.lineOf('DOUBLE'));
    await client.dap.setFunctionBreakpointsRequest({ breakpoints: [] });
    const [frame] = await client.stack();
    const here = BigInt(frame?.instructionPointerReference ?? 0);
    for (const instructionReference of [`0x${here.toString(16)}`, here.toString()]) {
      await client.request('setInstructionBreakpoints', { breakpoints: [{ instructionReference, offset: 3 }] });
      expect(await client.go('continue')).toMatchObject({ reason: 'instruction breakpoint' });
      expect(await client.register('rip')).toBe(`0x${(here + 3n).toString(16)} double+0x3`);
    }
  });

  test('on data: stops after the instruction that wrote', async () => {
    const client = await open('bits 64\nmov rax, 7\nmov [cell], rax ; #WRITE\nnop ; #NEXT\nhlt\nalign 8\ncell: dq 0\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const info = await client.request('dataBreakpointInfo', { name: '[cell]:u64' });
    expect(info).toMatchObject({ accessTypes: ['read', 'write', 'readWrite'] });
    const set = await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId: info.dataId, accessType: 'write' }],
    });
    expect(await client.go('continue')).toMatchObject({
      reason: 'data breakpoint',
      hitBreakpointIds: [set.breakpoints[0].id],
    });
    expect(await client.where()).toBe(client.lineOf('NEXT'));
    expect(await client.request('dataBreakpointInfo', { name: 'rax' })).toMatchObject({ dataId: 'register rax' });
  });

  test('on a line of data it says so; from a comment it goes past data', async () => {
    const client = await open('bits 64\njmp over\n; #COMMENT\ncell: dq 0 ; #DATA\nover: nop ; #CODE\nhlt\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { body } = await client.breakAt('COMMENT', 'DATA');
    expect(body.breakpoints).toMatchObject([
      { verified: true, line: client.lineOf('CODE') },
      { verified: true, line: client.lineOf('DATA'), message: expect.stringMatching(/^this line holds data/) },
    ]);
    expect(body.breakpoints[0]).not.toHaveProperty('message');
  });

  test('setting what unmaps itself succeeds', async () => {
    const client = await open('bits 64\nnop\nhlt\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    await client.request('evaluate', { expression: 'cr3 = 0x200000', context: 'repl' });
    await client.request('evaluate', { expression: 'cr3 = 0x91000', context: 'repl' });
    const said = await client.request('evaluate', { expression: '[0x91000] = 0', context: 'repl' });
    expect(said).toMatchObject({ result: '0x0 0' });
    await expect(client.request('evaluate', { expression: '[0x91000]', context: 'repl' })).rejects.toThrow(
      'nothing is mapped at 0x91000',
    );
  });

  test('on data, with a condition and a hit count', async () => {
    const client = await open(
      'bits 64\nmov ecx, 9\nagain: mov [cell], rcx\ndec ecx ; #NEXT\njnz again\nhlt\nalign 8\ncell: dq 0\n',
    );
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { dataId } = await client.request('dataBreakpointInfo', { name: '[cell]:u64' });
    const set = (more: object) =>
      client.request('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write', ...more }] });
    await set({ condition: 'rcx == 7' });
    expect(await client.go('continue')).toMatchObject({ reason: 'data breakpoint' });
    expect(await client.register('rcx')).toBe('0x7');
    await set({ hitCondition: '== 3' });
    await client.go('continue');
    expect(await client.register('rcx')).toBe('0x4');
    expect((await set({ condition: 'rcx ==' })).breakpoints).toMatchObject([
      { verified: false, message: 'condition `rcx ==`: a value is missing before the end (column 7)' },
    ]);
  });
});

describe('steps', () => {
  test('next goes over a call, stepIn into it, stepOut back behind it', async () => {
    const client = await open(counting);
    await client.launch({}, () => client.breakAt('CALL'));
    await client.stopped();
    await client.breakAt();
    expect(await client.go('next')).toMatchObject({ reason: 'step' });
    expect(await client.where()).toBe(client.lineOf('AFTER'));
    await client.go('next');
    await client.go('next');
    expect(await client.where()).toBe(client.lineOf('LOOP'));
    await client.go('stepIn');
    await client.go('stepIn');
    expect(await client.where()).toBe(client.lineOf('DOUBLE'));
    await client.go('stepOut');
    expect(await client.where()).toBe(client.lineOf('AFTER'));
    expect(await client.register('rbx')).toBe('0x4');
  });

  test('a breakpoint inside what is stepped over stops there', async () => {
    const client = await open(counting);
    await client.launch({}, () => client.breakAt('CALL', 'RET'));
    await client.stopped();
    expect(await client.go('next')).toMatchObject({ reason: 'breakpoint' });
    expect(await client.where()).toBe(client.lineOf('RET'));
  });

  test('by line a repeated instruction is one step, by instruction one iteration', async () => {
    const source = 'bits 64\nmov rdi, 0x200000\nmov ecx, 3\nrep stosb ; #REP\nnop ; #AFTER\nhlt\n';
    const client = await open(source);
    await client.launch({}, () => client.breakAt('REP'));
    await client.stopped();
    await client.go('stepIn', { granularity: 'instruction' });
    expect(await client.where()).toBe(client.lineOf('REP'));
    expect(await client.register('rcx')).toBe('0x2');
    await client.go('stepIn');
    expect(await client.where()).toBe(client.lineOf('AFTER'));
    expect(await client.register('rdi')).toBe('0x200003');
  });

  test('a line of several instructions is one step by line', async () => {
    const client = await open('bits 64\nnop ; #FIRST\ntimes 5 inc rax ; #MANY\nnop ; #LAST\nhlt\n');
    await client.launch({}, () => client.breakAt('MANY'));
    await client.stopped();
    await client.go('next', { granularity: 'instruction' });
    expect(await client.register('rax')).toBe('0x1');
    await client.go('next');
    expect(await client.where()).toBe(client.lineOf('LAST'));
    expect(await client.register('rax')).toBe('0x5');
  });

  test('a line that jumps to itself is a step each time', async () => {
    const client = await open('bits 64\nagain: jmp again ; #SPIN\n');
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    expect(await client.go('next')).toMatchObject({ reason: 'step' });
    expect(await client.where()).toBe(client.lineOf('SPIN'));
  });

  test('stepping goes past interrupt handlers that come in meanwhile', async () => {
    const timer = `bits 64
        lidt [idtr]
        mov al, 0x34
        out 0x43, al
        mov al, 2
        out 0x40, al
        xor eax, eax
        out 0x40, al
        mov al, 0xfe
        out 0x21, al
        sti
        nop                     ; #FIRST
        times 20000 inc rbx     ; #COUNT
        nop                     ; #LAST
        cli
        hlt
handler:
        push rax
        inc qword [ticks]
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq
ticks:  dq 0
align 16
idt:    times 8 * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 9 * 16 - 1
        dq idt
`;
    const client = await open(timer);
    await client.launch({}, () => client.breakAt('FIRST'));
    await client.stopped();
    for (let n = 0; n < 10; n++) {
      await client.go('stepIn', { granularity: 'instruction' });
      const at = await client.where();
      expect([client.lineOf('COUNT'), client.lineOf('FIRST')]).toContain(at);
    }
    await client.go('next');
    expect(await client.where()).toBe(client.lineOf('LAST'));
    expect(await client.register('rbx')).toBe('0x4e20');
    expect(Number((await client.evaluate('[ticks]')).split(' ')[0])).toBeGreaterThan(0);
  });

  test('goto sets where it goes on', async () => {
    const client = await open(counting);
    await client.launch({ stopOnEntry: true });
    await client.stopped();
    const { targets } = await client.request('gotoTargets', {
      source: { path: client.program },
      line: client.lineOf('END'),
    });
    await client.request('goto', { threadId: 1, targetId: targets[0].id });
    expect(await client.stopped()).toMatchObject({ reason: 'goto' });
    expect(await client.where()).toBe(client.lineOf('END'));
  });
});
