/** Memory of a guest as a debugger sees it: from within, and from its hypervisor after an exit. */

import { beforeEach, describe, expect, test } from 'vitest';
import { placeText, readPlace } from '../../src/debugger/address';
import { Console } from '../../src/debugger/console/console';
import { disassembleForward } from '../../src/debugger/disassemble';
import { assign, evaluate } from '../../src/debugger/expression/evaluator';
import { parseExpression } from '../../src/debugger/expression/parser';
import { physicalPlace } from '../../src/debugger/guest-memory';
import { walkItems } from '../../src/debugger/inspect/walk';
import { itemValue } from '../../src/debugger/item';
import type { Session } from '../../src/debugger/session';
import { linear } from '../../src/x86/address';
import { POINTER, PT, page, put, secondary, tables } from '../machine/vmx/ept-guest';
import { hypervisor } from '../machine/vmx/hypervisor';
import { debug } from './guest-session';
import { itemAt } from './inspect/tree';

/**
 * The guest's own tables: 1 GiB as it is, and the same again from 1 GiB on. EPT leads guest-physical 0x405000 to 0x505000.
 * The host's tables know nothing of it.
 */
const MARK = 0x1122_3344_5566_7788n;
const source = hypervisor({
  secondary: secondary.ept | secondary.vpid,
  fields: { EPT_POINTER: POINTER, VIRTUAL_PROCESSOR_ID: 7, GUEST_CR3: 0x40_1000 },
  setup: [
    tables,
    put(0x40_1000, 0x40_2027),
    put(0x40_2000, 0xe7),
    put(0x40_2008, 0xe7),
    put(PT + 5 * 8, page(0x50_5000)),
    put(0x50_5008, MARK),
    put(0x40_5008, 1),
    // NOP, CPUID, RET where the guest goes.
    put(0x50_5010, 0xc3_a20f_90n),
  ].join(''),
  guest: `mov rbx, 0x40405008
        mov rax, [rbx]
        mov rcx, 0x40405010
        call rcx
`,
});

const unused = async (): Promise<never> => {
  throw new Error('not here');
};
/** A console that only looks. */
const host = { radix: 'hex', move: unused, restart: unused, source: async () => undefined } as const;

let session: Session;
/** Runs to an event. */
const until = (kind: 'vmexit' | 'vmentry'): void => {
  const { machine } = session;
  let seen = false;
  const off = machine.events.on([kind], () => {
    seen = true;
  });
  for (let n = 0; n < 100_000 && !seen; n++) machine.runTo(machine.counters.step + 1);
  off();
  expect(seen).toBe(true);
};
const value = (text: string): bigint => evaluate(parseExpression(text), session.environment(0)).bits;
const cpu = () => session.vcpu(0).cpu;

beforeEach(async () => {
  ({ session } = await debug(source));
  until('vmexit');
});

describe('from the hypervisor', () => {
  test("the guest's linear memory goes through CR3 and EPT of the VMCS", () => {
    expect(value('guest[0x40405008]:u64')).toBe(MARK);
    expect(value('guest[0x405008]:u64')).toBe(MARK);
    expect(value('gpa[0x405008]:u64')).toBe(MARK);
    expect(value('phys[0x505008]:u64')).toBe(MARK);
    expect(value('[0x405008]:u64')).toBe(1n);
    expect(() => value('guest[0x80000000]:u8')).toThrow('nothing is mapped');
  });

  test('what is written there is where the guest will find it', () => {
    assign(parseExpression('guest[0x40405008]:u64'), 0x99n, session.environment(0));
    expect(value('phys[0x505008]:u64')).toBe(0x99n);
    assign(parseExpression('gpa[0x405ffe]:u64'), 0x1111_2222_3333_4444n, session.environment(0));
    expect(value('phys[0x505ffe]:u16')).toBe(0x4444n);
    expect(value('phys[0x406000]:u32')).toBe(0x2222_3333n);
  });

  test('a place becomes physical by its space', () => {
    for (const [text, expected] of [
      ['guest:0x40405008', 'phys:0x505008'],
      ['gpa:0x405008', 'phys:0x505008'],
      ['0x405008', 'phys:0x405008'],
    ] as const)
      expect(placeText(physicalPlace(cpu(), readPlace(text)))).toBe(expected);
    expect(() => physicalPlace(cpu(), readPlace('guest:0x80000000'))).toThrow('nothing is mapped here');
  });

  test("the guest's code is decoded in its space", () => {
    const view = session.codeView(0, 'guest', 0x4040_5010n);
    const rows = disassembleForward(view, linear(0x4040_5010n), 3);
    expect(rows.map(({ text }) => text)).toEqual(['nop', 'cpuid', 'ret']);
    expect(view.current).toBe(0x4040_5011n);
  });

  test('the console shows code by its space', async () => {
    const console = new Console({ ...host, session });
    const code = async (text: string) =>
      (await console.execute(text)).lines.filter((line) => !line.endsWith(':')).map((line) => line.replace(/ +/g, ' '));
    const rows = [' 0x40405010 90 nop', '=> 0x40405011 0fa2 cpuid'];
    expect(await code('disas guest:0x40405010, 2')).toEqual(rows);
    expect(await code('disas phys:0x505010, 1')).toEqual([' 0x505010 90 nop']);
    expect(await code('disas gpa:0x405010, 1')).toEqual([' 0x405010 90 nop']);
  });

  test('the pane of paging walks both tables, and looking changes nothing', () => {
    const before = session.machine.stateHash();
    const rip = itemAt(session, 'Paging', 'guest', 'rip');
    expect(rip).toMatchObject({ bits: 0x4040_5011n, memory: { space: 'guest' } });
    const levels = rip.children?.() ?? [];
    expect(levels.slice(0, 4).map((item) => [item.name, itemValue(item)])).toEqual([
      ['PML4E', '0x402027 at 0x401000: P R/W user A'],
      ['PDPTE', '0xe7 at 0x402008: P R/W user A D'],
      ['guest-physical', '0x405011 page of 1 GiB'],
      ['physical', '0x505011 EPT page of 4 KiB, rwx, WB'],
    ]);
    const inEpt = levels[2]?.children?.() ?? [];
    expect(inEpt.map(({ name }) => name)).toEqual(['EPT PML4E', 'EPT PDPTE', 'EPT PDE', 'EPT PTE']);
    expect(inEpt[3]).toMatchObject({
      bits: BigInt(page(0x50_5000)),
      memory: { space: 'phys', address: BigInt(PT + 40) },
    });
    const space = itemAt(session, 'Paging', 'guest', 'space').children?.() ?? [];
    expect(space.map(({ name, meaning }) => `${name} ${meaning}`)).toEqual([
      '0x0-0x7fffffff 2 GiB, R/W user, scattered',
    ]);
    expect(session.machine.stateHash()).toBe(before);
  });

  test("the TLB shows the guest's entries, and which of them EPT contradicts", () => {
    const data = itemAt(session, 'TLB', 'data').children?.() ?? [];
    const name = '0x40405000 PCID 0 VPID 7 EP4TA 0x300000 4 KiB';
    const entry = () => itemAt(session, 'TLB', 'data', name);
    expect(data.map((item) => item.name)).toContain(name);
    expect(entry().mark).toBeUndefined();
    assign(parseExpression(`phys[${PT + 40}]:u64`), BigInt(page(0x50_6000)), session.environment(0));
    expect(entry()).toMatchObject({ bits: 0x50_5000n, mark: 'stale' });
    expect(itemValue(entry())).toContain('the tables now lead to 0x506000');
    const behind = itemAt(session, 'TLB', 'guest-physical', '0x405000 EP4TA 0x300000');
    expect(behind).toMatchObject({ bits: 0x50_5000n, mark: 'stale' });
    expect(itemValue(behind)).toContain('EPT now leads to 0x506000');
  });
});

describe('from within', () => {
  beforeEach(() => until('vmentry'));

  test('all spaces are those that are in force', () => {
    expect(session.vcpu(0).cpu.vmx?.nonRoot).toBe(true);
    expect(value('[0x40405008]:u64')).toBe(MARK);
    expect(value('guest[0x40405008]:u64')).toBe(MARK);
    expect(value('gpa[0x405008]:u64')).toBe(MARK);
    expect(value('phys[0x405008]:u64')).toBe(1n);
  });

  test('an access is judged by both tables', () => {
    assign(parseExpression(`phys[${PT + 40}]:u64`), BigInt(page(0x50_5000, 1)), session.environment(0));
    const items = walkItems(cpu(), linear(0x4040_5008n), { kind: 'write' });
    expect(items.slice(-2).map((item) => itemValue(item))).toEqual([
      '0x505008 EPT page of 4 KiB, r--, WB',
      'EPT violation: the page is r-- (denied)',
    ]);
  });
});

test.each([
  ['guest', true],
  ['linear', false],
] as const)('a breakpoint in the space %s: code that the hypervisor executes first', async (space, inGuest) => {
  const { session: both } = await debug(
    hypervisor({ setup: 'call shared\n', guest: 'call shared\njmp done\nshared: nop\nret\n' }),
  );
  const address = both.info.symbols.named('shared')?.address ?? 0n;
  const { id } = both.breakpoints.add([{ space, address }]);
  expect(both.machine.run(1_000_000)).toMatchObject({ reason: 'breakpoint', linear: address });
  expect(both.vcpu(0).cpu.vmx?.nonRoot).toBe(inGuest);
  expect(both.breakpoints.hit).toEqual([id]);
});
