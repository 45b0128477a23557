/** What people who write hypervisors got stuck on, each as a guest, and the rule or the words that Ringside must give. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { doctorLive } from '../../src/debugger/doctor/live';
import { watchLints } from '../../src/debugger/lints/watch';
import { eventReport } from '../../src/debugger/why/event-report';
import { whyLast, whyNext } from '../../src/debugger/why/instruction';
import { control } from '../../src/machine/vmx/control-bits';
import { boot } from '../guest';
import { hypervisor, type Spec } from '../machine/vmx/hypervisor';
import { entryCases } from './entries';
import { handlerCases } from './handlers';
import { start } from './start';

describe('entries that fail', () => {
  test.each(entryCases)('$name', async ({ spec, rule, also = [], fails = 'haswell', enters }) => {
    const session = await start(spec, fails);
    session.events.break('vmentry-failure');
    const pause = await session.continue();
    if (pause.reason !== 'event' || pause.event.kind !== 'vmentry-failure')
      throw new Error(`it entered: ${pause.reason}`);
    expect(pause.event.rule).toBe(rule);
    expect(eventReport(session, pause.event).join('\n')).toContain(`1. ${rule} (`);
    expect(doctorLive(session, 0).findings.map((finding) => finding.rule.id)).toEqual([rule, ...also]);
    if (enters === undefined) return;
    const other = await start(spec, enters);
    other.events.break('vmentry');
    expect(await other.continue()).toMatchObject({ reason: 'event', event: { kind: 'vmentry' } });
  });
});

describe('#UD in the guest', () => {
  test.each([
    ['INVPCID', 'xor eax, eax\n mov ebx, 0x207000\n invpcid rax, [rbx]', 'enable INVPCID', 12],
    ['RDTSCP', 'rdtscp', 'enable RDTSCP', 3],
    ['XSAVES', 'mov ebx, 0x207000\n xsaves [rbx]', 'enable XSAVES/XRSTORS', 20],
    ['TPAUSE', 'xor ecx, ecx\n db 0x66, 0x0f, 0xae, 0xf1', 'enable user wait and pause', 26],
  ])('%s, by its control', async (name, text, title, bit) => {
    const session = await start({ guest: `mov qword [resume], done\n ${text}` });
    const why = `"${title}" (secondary control bit ${bit}) is 0`;
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    while (!whyNext(session, 0).text.startsWith(name.toLowerCase())) await session.step(0, 'into', 'instruction');
    expect(whyNext(session, 0).text).toContain('#UD: ');
    expect(whyNext(session, 0).text).toContain(why);
    session.events.break('trap:#UD');
    expect(await session.continue()).toMatchObject({ reason: 'fault' });
    expect(whyLast(session, 0).text).toContain(why);
    await session.step(0, 'into', 'instruction');
    expect(whyLast(session, 0).text).toContain(why);
  });
});

describe('handlers', () => {
  const lintsOf = (source: string): string[] => {
    const guest = boot(source, {}, ['lint']);
    const end = watchLints(guest.machine);
    guest.run(50_000);
    end();
    return guest.events.flatMap((event) => (event.kind === 'lint' ? [event.id] : []));
  };
  const example = (name: string): string => readFileSync(`examples/vmx/${name}.asm`, 'utf8');

  test.each(handlerCases)('$name', ({ example: name, from, to, lint }) => {
    expect(example(name)).toContain(from);
    expect(lintsOf(example(name).replace(from, to))).toContain(lint);
  });
  test.each(['minimal', 'ept', 'bitmaps', 'inject', 'broken'])('%s.asm itself is told nothing', (name) => {
    expect(lintsOf(example(name))).toEqual([]);
  });
  test('an event that was being delivered, and is not injected again', () => {
    const repaired = 'mov edx, 0x6818\n mov eax, idt_long\n vmwrite rdx, rax\n jmp .again';
    const spec: Spec = {
      fields: { EXCEPTION_BITMAP: 1 << 14 },
      guest: 'mov qword [resume], done\n lidt [unmapped]\n ud2\nunmapped: dw 1023\n dq 0x140000000\n',
      onExit: `cmp ebx, 0\n jne .other\n ${repaired}\n.other:`,
    };
    expect(lintsOf(hypervisor(spec))).toContain('event-lost');
  });
});

describe('why did this not exit', () => {
  /** What `why next` said of the guest's instructions, until it left. */
  const foretold = async (spec: Spec): Promise<string> => {
    const session = await start(spec);
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    const said: string[] = [];
    while (session.vcpu(0).vmx?.nonRoot && said.length < 20) {
      said.push(whyNext(session, 0).text);
      await session.step(0, 'into', 'instruction');
    }
    return said.join('\n');
  };
  const PF = 1 << 14;
  const nowhere = 'mov qword [resume], done\n mov rbx, 0x140000000\n mov rax, [rbx]';
  const protection = { PAGE_FAULT_ERROR_CODE_MASK: 1, PAGE_FAULT_ERROR_CODE_MATCH: 1 };

  test.each<[name: string, spec: Spec, says: string]>([
    [
      'a port whose bit is 0',
      { primary: control.ioBitmaps, guest: 'mov dx, 0x80\n in al, dx' },
      'no VM exit: bit 0 of the byte at 0x202010 is 0 (IO_BITMAP_A, for port 0x80',
    ],
    [
      'a port whose bit is 1: it does',
      { primary: control.ioBitmaps, guest: 'mov dx, 0x80\n in al, dx', setup: 'mov byte [0x202010], 1' },
      'bit 0 of the byte at 0x202010 is 1 (IO_BITMAP_A, for port 0x80',
    ],
    [
      'an MSR whose bit for reads is 0, though that for writes is 1',
      { primary: control.msrBitmaps, guest: 'mov ecx, 0x174\n rdmsr', setup: 'or byte [0x20482e], 0x10' },
      'no VM exit: bit 4 of the byte at 0x20402e is 0 (MSR_BITMAP, for MSR 0x174',
    ],
    [
      'a bit of CR0 that the host owns, and that the guest writes as it is shown',
      { fields: { CR0_GUEST_HOST_MASK: 8, CR0_READ_SHADOW: 8 }, guest: 'mov rax, cr0\n or al, 8\n mov cr0, rax' },
      'CR0_GUEST_HOST_MASK 0x8 has none of the bits in which the value differs from CR0_READ_SHADOW 0x8',
    ],
    [
      'a page fault that mask and match do not select',
      { fields: { EXCEPTION_BITMAP: PF, ...protection }, guest: nowhere },
      "it goes to the guest's own handler: EXCEPTION_BITMAP bit 14 is 1, but error code 0x0 & PAGE_FAULT_ERROR_CODE_MASK 0x1 is not PAGE_FAULT_ERROR_CODE_MATCH 0x1: the bit counts inverted",
    ],
    [
      'a page fault that the inverted bit selects: it does',
      { fields: protection, guest: nowhere, exits: 1 },
      'it exits: EXCEPTION_BITMAP bit 14 is 0, but error code 0x0 & PAGE_FAULT_ERROR_CODE_MASK 0x1 is not',
    ],
  ])('%s', async (_, spec, says) => {
    expect(await foretold(spec)).toContain(says);
  });
});
