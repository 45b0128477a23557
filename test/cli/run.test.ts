/** `ringside run`: every exit status, what goes to which stream, --json, --trace and the instruction budget. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Result, ringside, useBundle } from './bundle';

const bundle = useBundle();

const run = (source: string, ...options: string[]): Promise<Result> =>
  ringside(bundle, ['run', bundle.write('guest.asm', source), ...options]);

/** A guest that prints a text on port 0xe9. */
const printing = (text: string, then: string): string => `
bits 64
        mov rsi, text
.next:  lodsb
        test al, al
        jz .end
        out 0xe9, al
        jmp .next
.end:
${then}
text:   db '${text}', 10, 0
`;

describe('exit statuses', () => {
  test('the debug-exit port gives (value << 1) | 1 of the value modulo 128', async () => {
    for (const [value, status] of [
      [0, 1],
      [3, 7],
      [127, 255],
      [0x83, 7],
    ]) {
      const result = await run(`bits 64\nmov al, ${value}\nout 0xf4, al\nhlt\n`);
      expect(result).toEqual({ status, stdout: '', stderr: '' });
    }
  });

  test('0 when nothing can wake the machine: HLT with interrupts off', async () =>
    expect(await run('bits 64\ncli\nhlt\n')).toEqual({ status: 0, stdout: '', stderr: '' }));

  test('0 with --no-reboot for a reset through port 0x92, with a line that says so', async () => {
    const { status, stderr } = await run('bits 64\nmov al, 1\nout 0x92, al\nhlt\n', '--no-reboot');
    expect(status).toBe(0);
    expect(stderr).toMatch(/^ringside: reset by .*; --no-reboot ends here\n$/);
  });

  test('a reset starts the program again from its boot contract', async () => {
    // RAM survives neither contract: the program is placed anew, so it counts in CMOS memory.
    const guest = `bits 64
        mov al, 0x40
        out 0x70, al
        in al, 0x71
        inc al
        mov bl, al
        mov al, 0x40
        out 0x70, al
        mov al, bl
        out 0x71, al
        cmp al, 3
        je .done
        mov al, 1
        out 0x92, al
.done:  out 0xf4, al
        hlt
`;
    expect((await run(guest)).status).toBe(7);
  });

  test('2 for bad input, one line and no stack trace', async () => {
    const missing = await ringside(bundle, ['run', 'missing.asm']);
    expect(missing).toEqual({ status: 2, stdout: '', stderr: 'ringside: missing.asm: no such file\n' });
    const syntax = await run('bits 64\nmov rax, rbx, rcx\n');
    expect(syntax.status).toBe(2);
    expect(syntax.stderr).toMatch(/guest\.asm:2:\d+: /);
    expect(syntax.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('4 when the budget is used up, after exactly so many instructions', async () => {
    const { status, stdout, stderr } = await run(
      'bits 64\nagain: inc rax\njmp again\n',
      '--max-instructions',
      '12345',
      '--json',
    );
    expect(status).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'budget', exitCode: 4, instructions: 12345 });
    expect(stderr).toMatch(
      /^ringside: stopped after 12345 instructions, as --max-instructions says, at 0x100003 \S+ .*guest\.asm:\d+\n$/,
    );
  });

  test('a repeated string instruction counts as one in the budget', async () => {
    const source = 'bits 64\nmov rdi, 0x200000\nmov rcx, 1000\nrep stosb\nagain: jmp again\n';
    const { stdout } = await run(source, '--max-instructions', '4', '--json', '-');
    expect(JSON.parse(stdout)).toMatchObject({ instructions: 4 });
  });

  test('6 for a triple fault, with the chain: vector, error code, RIP and reason of each', async () => {
    // An IDT of one entry: the vectors lie beyond it.
    const { status, stderr } = await run('bits 64\nlidt [one]\nud2\none: dw 15\ndq 0x200000\n');
    expect(status).toBe(6);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(
      /^ringside: triple fault after 1 instruction at 0x100008 .*guest\.asm:3: the processor shut down$/,
    );
    expect(lines[1]).toMatch(/^ {2}1\. #UD Invalid Opcode at 0x100008: /);
    expect(lines[2]).toMatch(
      /^ {2}2\. #GP General Protection \(error code 0x33: entry 0x6 of the IDT, external\) at 0x100008: .*idt\.beyond-limit/,
    );
    expect(lines[3]).toMatch(
      /^ {2}3\. #GP General Protection \(error code 0x6b: entry 0xd of the IDT, external\) at 0x100008: /,
    );
    expect(lines[4]).toMatch(/^ {2}4\. #DF Double Fault \(error code 0x0\) at 0x100008: /);
    expect(lines[5]).toMatch(
      /^ {2}5\. #GP General Protection \(error code 0x43: entry 0x8 of the IDT, external\) at 0x100008: /,
    );
    expect(lines).toHaveLength(6);
  });

  test('6 without an IDT too, which is said in one line instead of its consequences', async () => {
    const { status, stderr } = await run('bits 64\nud2\n');
    expect(status).toBe(6);
    const [, first, second, ...more] = stderr.trimEnd().split('\n');
    expect(first).toMatch(/^ {2}1\. #UD Invalid Opcode at 0x100000: /);
    expect(second).toMatch(/^ {2}2\. no IDT is loaded \(its limit is 0\): /);
    expect(more).toEqual([]);
  });

  test('10 for a guest that never completes an instruction', async () => {
    // The handler of #UD is #UD again, on a stack that is set anew by the interrupt stack table: for ever.
    const guest = `bits 64
        lidt [idtr]
        ltr_setup:
        mov eax, tss
        mov [gdt + 8 * 2 + 2], ax
        shr eax, 16
        mov [gdt + 8 * 2 + 4], al
        mov [gdt + 8 * 2 + 7], ah
        lgdt [gdtr]
        mov ax, 0x10
        ltr ax
bad:    ud2
align 16
gdt:    dq 0, 0x00af9b000000ffff
        dw 103, 0
        db 0, 0x89, 0, 0
        dq 0
gdtr:   dw 31
        dq gdt
tss:    times 36 db 0
        dq 0x80000
        times 60 db 0
idt:    times 6 * 16 db 0
        dw bad - $$ , 0x08
        db 1, 0x8e
        dw 0x10
        dq 0
idtr:   dw 7 * 16 - 1
        dq idt
`;
    const { status, stderr } = await run(guest);
    expect(stderr).toMatch(
      /^ringside: no progress: a million steps without a completed instruction, at 0x10[0-9a-f]+ bad .*guest\.asm:12\n$/,
    );
    expect(status).toBe(10);
  });

  test('130 for Ctrl-C, with the guest output that was there', async () => {
    const path = bundle.write('spin.asm', printing('spinning', 'again: jmp again'));
    const result = await ringside(bundle, ['run', path], { interrupt: true });
    expect(result.status).toBe(130);
    expect(result.stdout).toBe('spinning\n');
    expect(result.stderr).toMatch(
      /^ringside: interrupted after \d+ instructions at 0x[0-9a-f]+ again .*spin\.asm:10\n$/,
    );
  });
});

describe('streams', () => {
  test('stdout is the guest output alone, from COM1 and port 0xe9', async () => {
    const example = join(import.meta.dirname, '../../examples/hello.asm');
    expect(await ringside(bundle, ['run', example])).toEqual({
      status: 1,
      stdout: 'Hello from the serial port.\nHello from the debug console.\n',
      stderr: '',
    });
  });

  test('--serial none drops COM1', async () => {
    const example = join(import.meta.dirname, '../../examples/hello.asm');
    const { stdout } = await ringside(bundle, ['run', example, '--serial', 'none']);
    expect(stdout).toBe('Hello from the debug console.\n');
  });

  const echo = (wait: string): string => `bits 64
.byte:  ${wait}
        mov dx, 0x3fd
        in al, dx
        test al, 1
        jz .byte
        mov dx, 0x3f8
        in al, dx
        out 0xe9, al
        cmp al, 10
        jne .byte
        xor eax, eax
        out 0xf4, al
`;

  test('--stdin lets stdin arrive at COM1; without it nothing arrives', async () => {
    const words = ['run', bundle.write('echo.asm', echo('pause')), '--max-instructions', '3000000'];
    expect(await ringside(bundle, [...words, '--stdin'], { input: 'typed\n' })).toEqual({
      status: 1,
      stdout: 'typed\n',
      stderr: '',
    });
    expect(await ringside(bundle, words, { input: 'typed\n' })).toMatchObject({ status: 4, stdout: '' });
  });

  test('with --stdin a halted machine waits for input; when there is no more, it has ended', async () => {
    const guest = `bits 16
        xor ax, ax
        mov ds, ax
        mov word [0x24 * 4], received
        mov word [0x24 * 4 + 2], cs
        mov al, 0x11
        out 0x20, al
        mov al, 0x20
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xef
        out 0x21, al
        mov dx, 0x3fc
        mov al, 8
        out dx, al
        mov dx, 0x3f9
        mov al, 1
        out dx, al
.wait:  sti
        hlt
        jmp .wait
received:
        mov dx, 0x3f8
        in al, dx
        out 0xe9, al
        mov al, 0x20
        out 0x20, al
        iret
`;
    const path = bundle.write('interrupts.asm', guest);
    const result = await ringside(bundle, ['run', path, '--stdin'], { input: 'abc' });
    expect(result).toEqual({ status: 0, stdout: 'abc', stderr: '' });
  });

  test('what is on the screen at the end is shown on stderr', async () => {
    const guest = `bits 16
org 0x7c00
        mov ax, 0x0e00 + 'H'
        int 0x10
        mov ax, 0x0e00 + 'i'
        int 0x10
        cli
        hlt
times 510 - ($ - $$) db 0
dw 0xaa55
`;
    expect(await run(guest)).toEqual({ status: 0, stdout: '', stderr: 'ringside: the screen shows\n  Hi\n' });
  });

  test('a file for --json that cannot be written is complained of once', async () => {
    const { status, stderr } = await run('bits 64\ncli\nhlt\n', '--json=/nowhere/result.json');
    expect(stderr).toBe('ringside: /nowhere/result.json: cannot be written (ENOENT)\n');
    expect(status).toBe(2);
  });

  test('several mistakes in a source begin their lines with their places', async () => {
    const { stderr } = await run('bits 64\nmvo eax, 1\njmp nowhere\n');
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/^.*guest\.asm/, 'guest.asm').split(' ')[0])).toEqual([
      'guest.asm:2:1:',
      'guest.asm:3:5:',
    ]);
    expect(stderr).not.toContain('ringside:');
  });

  test('with --json - stdout is the JSON alone and guest output goes to stderr', async () => {
    const result = await run(printing('hello', 'mov al, 0\nout 0xf4, al'), '--json');
    expect(result.stderr).toBe('hello\n');
    expect(JSON.parse(result.stdout)).toMatchObject({ outcome: 'guest-exit', exitCode: 1 });
  });

  test('--json FILE writes the file and leaves stdout to the guest', async () => {
    const file = join(bundle.folder, 'result.json');
    const result = await run(printing('hello', 'mov al, 0\nout 0xf4, al'), '--json', file);
    expect(result.stdout).toBe('hello\n');
    const json = JSON.parse(readFileSync(file, 'utf8'));
    expect(Object.keys(json)).toEqual([
      'outcome',
      'exitCode',
      'instructions',
      'seconds',
      'mips',
      'stateHash',
      'events',
    ]);
    expect(json.stateHash).toMatch(/^[0-9a-f]{32}$/);
  });

  test('--json of bad input says so', async () => {
    const { status, stdout } = await ringside(bundle, ['run', 'missing.asm', '--json']);
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'bad-input', exitCode: 2, instructions: 0 });
  });
});

describe('--trace and counts', () => {
  const faulting = `bits 64
        lidt [idtr]
        ud2
        int 0x20
        xor eax, eax
        out 0xf4, al
        hlt
handler:
        add qword [rsp], 2
        iretq
soft:   iretq
align 16
idt:    times 6 * 16 db 0
        dw handler - $$, 0x08, 0x8e00, 0x10
        dq 0
        times (0x20 - 7) * 16 db 0
        dw soft - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw 0x21 * 16 - 1
        dq idt
`;

  test('one line per event, with position, place and reason', async () => {
    const { status, stderr } = await run(faulting, '--trace', 'trap,int,port:0xf4');
    expect(status).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^\d+ 0x100008 trap #UD Invalid Opcode: the bytes at RIP are no instruction in this mode/);
    expect(lines[1]).toMatch(/^\d+ 0x10000a int vector 0x20$/);
    expect(lines[2]).toMatch(/^\d+ 0x10000e port write 0xf4, 1 byte <- 0x0$/);
  });

  test('where both go to one place, lines of the trace and of the guest stand in order, each in a line of its own', () => {
    const guest = bundle.write(
      'mixed.asm',
      `bits 64
        mov al, 'A'
        out 0xe9, al
        cpuid
        mov al, 'B'
        out 0xe9, al
        mov al, 10
        out 0xe9, al
        cpuid
        mov al, 'C'
        out 0xe9, al
        hlt
`,
    );
    const both = join(bundle.folder, 'both.txt');
    const descriptor = openSync(both, 'w');
    const command = [bundle.command, 'run', guest, '--trace', 'cpuid'];
    spawnSync(process.execPath, command, { stdio: ['ignore', descriptor, descriptor] });
    closeSync(descriptor);
    expect(readFileSync(both, 'utf8')).toMatch(/^A\n\d+ .* cpuid .*\nB\n\d+ .* cpuid .*\nC$/);
  });

  test('a filter chooses by detail, and -o names the file', async () => {
    const file = join(bundle.folder, 'trace.txt');
    const { stderr } = await run(faulting, '--trace', 'trap:#PF,int:0x20', '-o', file);
    expect(stderr).toBe('');
    expect(readFileSync(file, 'utf8')).toMatch(/^\d+ 0x10000a int vector 0x20\n$/);
  });

  test('--json counts traps by name and interrupts by vector', async () => {
    const { stdout } = await run(faulting, '--json');
    expect(JSON.parse(stdout).events).toMatchObject({
      traps: { '#UD': 1 },
      interrupts: {},
      softwareInterrupts: { '0x20': 1 },
    });
  });

  test('the trace changes nothing: the same state hash', async () => {
    const plain = JSON.parse((await run(faulting, '--json')).stdout);
    const traced = JSON.parse(
      (await run(faulting, '--trace', 'trap,port,int,mode,ring,cr,msr,tlb-fill,stale', '-o', 't', '--json')).stdout,
    );
    expect(traced.stateHash).toBe(plain.stateHash);
    expect(traced.instructions).toBe(plain.instructions);
  });

  test('VM exits are counted by reason, and a trace of them ends in a table', async () => {
    const minimal = readFileSync(join(import.meta.dirname, '../../examples/vmx/minimal.asm'), 'utf8');
    const { stdout, stderr } = await run(minimal, '--json', '--trace', 'vmexit,vmentry');
    expect(JSON.parse(stdout).events).toMatchObject({ vmexits: { CPUID: 1, HLT: 1 }, vmentry: 2 });
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^\d+ 0x\w+ vmentry VMLAUNCH to 0x/);
    expect(lines[1]).toMatch(/^\d+ 0x\w+ vmexit 10 CPUID: CPUID was executed; it always exits/);
    expect(lines[3]).toMatch(
      /^\d+ 0x\w+ vmexit 12 HLT: HLT was executed; "HLT exiting" \(primary control bit 7\) is 1/,
    );
    expect(lines[4]).toMatch(/VM-EXIT +Samples/);
    expect(lines.at(-1)).toMatch(/^Total samples: 2/);
    expect(JSON.parse((await run(printing('x', 'hlt'), '--json')).stdout).events).not.toHaveProperty('vmexits');
  });
});
