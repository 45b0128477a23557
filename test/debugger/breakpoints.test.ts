/** Breakpoints of the engine: several at a place, counts, slices, repetitions; and what they cost. */

import { expect, test } from 'vitest';
import { BadInput } from '../../src/program/program';
import { linear } from '../../src/x86/address';
import { debug } from './guest-session';

const loop = 'bits 64\nmov ecx, 1000000\nagain: inc rbx\ndec ecx\njnz again\nhlt\n';
const AGAIN = linear(0x10_0005n);

test('several at one place have each their own condition; those that hit are named', async () => {
  const { session } = await debug(loop);
  const first = session.breakpoints.add([AGAIN], { condition: 'rbx == 10' });
  const second = session.breakpoints.add([AGAIN], { condition: 'rbx >= 5' });
  expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [second.id] });
  session.breakpoints.remove(second.id);
  const third = session.breakpoints.add([AGAIN], { condition: 'rbx % 5 == 0' });
  expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [first.id, third.id] });
});

test('a breakpoint that is left stops again at the next arrival, not before', async () => {
  const { session } = await debug(loop);
  session.breakpoints.add([AGAIN]);
  for (let n = 0; n < 3; n++) {
    await session.continue();
    expect(session.vcpu(0).state.gpr(3)).toBe(BigInt(n));
  }
});

test('hits are counted where the condition holds', async () => {
  const { session } = await debug(loop);
  const breakpoint = session.breakpoints.add([AGAIN], { condition: 'rbx & 1', hitCondition: '% 4' });
  await session.continue();
  expect(session.vcpu(0).state.gpr(3)).toBe(7n);
  await session.continue();
  expect(session.vcpu(0).state.gpr(3)).toBe(15n);
  expect(breakpoint.hits).toBe(8);
});

test('no arrival is lost where a slice ends', async () => {
  const { session } = await debug(loop);
  const breakpoint = session.breakpoints.add([AGAIN], { logMessage: '', hitCondition: '== 1000000' });
  expect(await session.continue()).toMatchObject({ reason: 'breakpoint' });
  expect(breakpoint.hits).toBe(1_000_000);
  expect(session.vcpu(0).state.gpr(3)).toBe(999_999n);
});

test('a repeated instruction is arrived at once', async () => {
  const { session } = await debug('bits 64\nmov edi, 0x200000\nmov ecx, 50\nrep stosb\nnop\nhlt\n');
  const rep = session.info.lines.addresses('guest.asm', 4)?.addresses ?? [];
  const breakpoint = session.breakpoints.add(rep);
  expect(await session.continue()).toMatchObject({ reason: 'breakpoint' });
  for (let n = 0; n < 5; n++) await session.step(0, 'into', 'instruction');
  expect(session.vcpu(0).state.gpr(1)).toBe(45n);
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(breakpoint.hits).toBe(1);
});

test('a temporary one goes when it hits', async () => {
  const { session } = await debug(loop);
  session.breakpoints.add([AGAIN], { temporary: true, condition: 'rbx == 3' });
  await session.continue();
  expect(session.breakpoints.list()).toEqual([]);
  expect(await session.continue()).toMatchObject({ reason: 'ending', ending: { outcome: 'halted' } });
});

test('what cannot be read is refused in one line', async () => {
  const { session } = await debug(loop);
  const add = (options: object) => () => session.breakpoints.add([AGAIN], options);
  expect(add({ condition: '1 +' })).toThrow(
    new BadInput('condition `1 +`: a value is missing before the end (column 4)'),
  );
  expect(add({ hitCondition: 'x' })).toThrow(new BadInput('hit count `x`: write 5, >= 5, == 5 or % 5'));
  expect(add({ logMessage: 'rbx {rbx' })).not.toThrow();
  expect(add({ logMessage: '{rbx +}' })).toThrow(
    new BadInput('log message, expression `rbx +`: a value is missing before the end (column 6)'),
  );
  expect(session.breakpoints.list()).toHaveLength(1);
});

test('a count that the core keeps is what is shown, and starts again', async () => {
  const { session } = await debug(loop);
  const counted = session.breakpoints.add([AGAIN], { condition: 'rbx & 1', hitCondition: '% 400000' });
  await session.continue();
  expect([counted.hits, session.vcpu(0).state.gpr(3)]).toEqual([400_000, 799_999n]);
  session.breakpoints.restart();
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(counted.hits).toBe(100_000);
});

test('what the core counts and what TypeScript decides agree where several lie at one place', async () => {
  const { session } = await debug(loop);
  const counted = session.breakpoints.add([AGAIN], { condition: 'rbx % 3 == 0', hitCondition: '== 5' });
  const other = session.breakpoints.add([AGAIN], { condition: 'rbx == 6 || rbx == 20' });
  const log = session.breakpoints.add([AGAIN], { condition: 'cr8 == 0 && rbx == 7', logMessage: 'at {rbx,d}' });
  expect(await session.continue()).toMatchObject({ ids: [other.id] });
  expect([counted.hits, log.hits]).toEqual([3, 0]);
  expect(await session.continue()).toMatchObject({ ids: [counted.id] });
  expect([counted.hits, log.hits, session.vcpu(0).state.gpr(3)]).toEqual([5, 1, 12n]);
  expect(await session.continue()).toMatchObject({ ids: [other.id] });
  expect(session.vcpu(0).state.gpr(3)).toBe(20n);
});

test('messages show values in the format that is asked for', async () => {
  const { session, notes } = await debug('bits 64\nmov eax, 65\nhere: nop\nhlt\ntext: db "Hi", 0\n');
  session.breakpoints.add([session.info.resolve('here', AGAIN) ?? AGAIN], {
    logMessage: '{eax} {eax,d} {eax,c} {text,s} {{}} {zf} {[0x7ffffffff000]}',
  });
  await session.continue();
  expect(notes).toEqual(['0x41 65 \'A\' "Hi" {} 0x0 <nothing is mapped at 0x7ffffffff000 (column 1)>']);
});

test('a condition that cannot be evaluated stops, and says why', async () => {
  const { session, notes } = await debug(loop);
  const { id } = session.breakpoints.add([AGAIN], { condition: 'rbx > 2 && 1 / (rbx - 5) == 1' });
  expect(await session.continue()).toMatchObject({ ids: [id] });
  expect(session.vcpu(0).state.gpr(3)).toBe(5n);
  expect(notes).toEqual(['condition `rbx > 2 && 1 / (rbx - 5) == 1`: division by 0 (column 16)']);
});

test('local labels and flags in a condition are those of the place, exactly', async () => {
  const { session } = await debug(`
bits 64
first:  xor ebx, ebx
.next:  inc rbx
        cmp rbx, 30
        je second
        cmp bl, 20
.here:  jmp .next
.there: hlt
second: hlt
.next:  hlt
`);
  const here = session.info.resolve('first.here', AGAIN) ?? AGAIN;
  const { id } = session.breakpoints.add([here], { condition: 'zf && !cf && rip == .here && .next < .here' });
  expect(await session.continue()).toMatchObject({ ids: [id] });
  expect(session.vcpu(0).state.gpr(3)).toBe(20n);
});

test('one that is not enabled is kept and never asked', async () => {
  const { session } = await debug(loop);
  const off = session.breakpoints.add([AGAIN], { enabled: false });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect([session.breakpoints.list(), off.hits]).toEqual([[off], 0]);
});

const aliases = `
bits 64
        mov eax, 0x00300003     ; 2 MiB pages: a table for 4 KiB pages at 2 MiB in their place
        mov rdi, cr3
        mov rdi, [rdi]
        and rdi, -4096
        mov rdi, [rdi]
        and rdi, -4096          ; the page directory
        mov qword [0x300000], 0x400003
        mov qword [0x300008], 0x400003
        mov qword [rdi+8*16], rax
        mov rax, cr3
        mov cr3, rax
        mov byte [0x400010], 0x48       ; inc rbx; ret
        mov byte [0x400011], 0xff
        mov byte [0x400012], 0xc3
        mov byte [0x400013], 0xc3
        mov ecx, 3
again:  mov eax, 0x2000010
        call rax
        mov eax, 0x2001010
        call rax
        dec ecx
        jnz again
        hlt
`;

test('a physical address stops whatever linear address executes it', async () => {
  const { session } = await debug(aliases);
  const { id } = session.breakpoints.add([{ space: 'phys', address: 0x40_0010n }]);
  const rips: bigint[] = [];
  for (let n = 0; n < 3; n++) {
    expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [id] });
    rips.push(session.vcpu(0).state.rip);
  }
  expect(rips).toEqual([0x200_0010n, 0x200_1010n, 0x200_0010n]);
  session.breakpoints.remove(id);
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(session.vcpu(0).state.gpr(3)).toBe(6n);
});

test('a physical breakpoint has conditions and counts as others do, beside a linear one', async () => {
  const { session } = await debug(aliases);
  const physical = session.breakpoints.add([{ space: 'gpa', address: 0x40_0010n }], {
    condition: 'rip == 0x2001010',
    hitCondition: '== 2',
  });
  expect(await session.continue()).toMatchObject({ ids: [physical.id] });
  expect([physical.hits, session.vcpu(0).state.gpr(3)]).toEqual([2, 3n]);
  const both = session.breakpoints.add([linear(0x200_0010n)], { condition: 'rbx == 4' });
  expect(await session.continue()).toMatchObject({ ids: [both.id] });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect(physical.hits).toBe(3);
});

test('the guest reads its own bytes where a breakpoint lies', async () => {
  const { session } = await debug('bits 64\nmov ecx, 2\nagain: mov rbx, [there]\nthere: dec ecx\njnz again\nhlt\n');
  const there = session.info.resolve('there', AGAIN) ?? AGAIN;
  session.breakpoints.add([there]);
  await session.continue();
  await session.continue();
  // FF C9: dec ecx
  expect(session.vcpu(0).state.gpr(3) & 0xffffn).toBe(0xc9ffn);
});

test('on one vCPU alone it does not stop the other', async () => {
  const { session } = await debug(loop, { cpus: 2 });
  const second = session.breakpoints.add([{ space: 'linear', address: AGAIN, vcpu: 1 }]);
  const first = session.breakpoints.add([{ space: 'linear', address: AGAIN, vcpu: 0 }], { condition: 'rbx == 9' });
  expect(await session.continue()).toEqual({ reason: 'breakpoint', vcpu: 0, ids: [first.id] });
  expect([first.hits, second.hits]).toEqual([1, 0]);
});

test('the core, too, counts a repeated instruction once, wherever slices end', async () => {
  const { session } = await debug(
    'bits 64\nmov ebx, 3\nagain: mov edi, 0x200000\nmov ecx, 100000\nthere: rep stosb\ndec ebx\njnz again\nhlt\n',
  );
  const there = session.info.resolve('there', AGAIN) ?? AGAIN;
  const counted = session.breakpoints.add([there], { hitCondition: '== 1000' });
  for (let n = 0; n < 400; n++) session.machine.run(777);
  expect([counted.hits, session.vcpu(0).state.gpr(3)]).toEqual([3, 0n]);
});

test('RF is seen where it was loaded, and not later', async () => {
  const { session } = await debug(`
bits 64
        mov rsp, 0x210000
        mov ecx, 3
again:  mov eax, ss
        push rax
        push 0x210000
        pushfq
        or dword [rsp], 0x10000
        mov eax, cs
        push rax
        mov rax, target
        push rax
        iretq
target: nop
after:  dec ecx
        jnz again
        hlt
`);
  const at = (name: string) => session.info.resolve(name, AGAIN) ?? AGAIN;
  const target = session.breakpoints.add([at('target')], { condition: 'rf && rflags & 0x10000', hitCondition: '== 9' });
  const after = session.breakpoints.add([at('after')], { condition: 'rf || rflags & 0x10000', hitCondition: '== 9' });
  expect(await session.continue()).toMatchObject({ reason: 'ending' });
  expect([target.hits, after.hits]).toEqual([3, 0]);
});
