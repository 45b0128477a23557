/** The console's commands on real guests: what they say, what they change, what they refuse. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Output } from '../../src/debugger/console/command';
import { Console, consoleCommands } from '../../src/debugger/console/console';
import { itemValue } from '../../src/debugger/item';
import { pauseText } from '../../src/debugger/pause-text';
import { Session } from '../../src/debugger/session';
import { BadInput } from '../../src/program/program';
import { debug } from './guest-session';

const open = async (source: string, options: object = {}) => {
  const { session, notes, output, line } = await debug(source, options);
  let current = session;
  const console = new Console({
    get session() {
      return current;
    },
    radix: 'hex',
    move: async (motion) => ({ lines: [pauseText(await motion(current))] }),
    restart: async () => {
      current = await Session.start(current.options);
      console.restored((text) => notes.push(text));
      return { lines: ['restarted'] };
    },
    source: async () => undefined,
  });
  /** The lines of a command, or its one refusal. */
  const say = async (text: string): Promise<readonly string[]> => {
    try {
      return (await console.execute(text)).lines;
    } catch (error) {
      if (error instanceof BadInput) return [`refused: ${error.message}`];
      throw error;
    }
  };
  return { console, say, notes, output, line, session: () => current };
};

const counting = `bits 64
start:  xor eax, eax
        mov ecx, 3
.loop:  call double
        dec ecx
        jnz .loop
        hlt
double: inc eax
        ret
cell:   dq 0x1122334455667788
message: db "Hello", 10, 0
`;

describe('breakpoints that are turned off', () => {
  test('stay in the list, with their number and hits, and stop again when they are turned on', async () => {
    const { say } = await open(counting);
    await say('break double');
    await say('break cpuid');
    await say('watch eax');
    expect(await say('continue')).toEqual(['breakpoint 1']);
    expect(await say('disable 1 3')).toEqual([]);
    expect((await say('breakpoints')).map((line) => line.replace(/^(\d+) .*?(, .*)?$/, '$1$2'))).toEqual([
      '1, disabled, hit 1 time',
      '2',
      '3, disabled',
    ]);
    await say('enable 1');
    expect(await say('continue')).toEqual(['breakpoint 1']);
    expect((await say('breakpoints'))[0]).toMatch(/, hit 2 times$/);
    await say('disable');
    expect(await say('continue')).toEqual([expect.stringContaining('halted')]);
  });

  test('events too, and across a restart', async () => {
    const { say } = await open('bits 64\nmov ecx, 2\n.loop: xor eax, eax\npush rcx\ncpuid\npop rcx\nloop .loop\nhlt\n');
    await say('break cpuid');
    expect(await say('continue')).toEqual([expect.stringMatching(/^cpuid leaf 0x0/)]);
    await say('disable 1');
    await say('restart');
    expect(await say('continue')).toEqual([expect.stringContaining('halted')]);
    expect(await say('enable 7')).toEqual(['refused: there is no breakpoint 7']);
  });
});

describe('lines', () => {
  test('a line that begins with no command is an expression, or sets a place', async () => {
    const { say } = await open(counting);
    expect(await say('1 + 2 * 3')).toEqual(['0x7 7']);
    expect(await say('ecx = 9')).toEqual(['0x9 9']);
    expect(await say('cl == 9 && zf == 0')).toEqual(['0x1 true']);
    expect(await say('[cell]:u16 = 0x4142')).toEqual(['0x4142 16706']);
    expect(await say('x cell, 8')).toEqual([expect.stringMatching(/ 42 41 66 55 44 33 22 11 /)]);
  });

  test('a name that is also a command is shown with print', async () => {
    const { say } = await open(counting);
    await say('stepi 2');
    expect(await say('print step')).toEqual(['0x2 2']);
  });

  test('an error has the expression and a caret below the place', async () => {
    const { say } = await open(counting);
    expect(await say('p [cell]:u8 + nowhere')).toEqual([
      'refused: there is no register, flag or symbol `nowhere`\n  [cell]:u8 + nowhere\n              ^',
    ]);
    expect(await say('break double if eax ==')).toEqual([
      expect.stringMatching(/is missing before the end\n {2}eax ==\n {8,9}\^$/),
    ]);
    expect(await say('walk [')).toEqual([expect.stringMatching(/^refused: a value is missing before/)]);
  });

  test.each([
    ['brek double', /did you mean break\?/],
    ['wa', /^refused: wa: watch or walk\?$/],
    ['x/4 rip', /^refused: x\/4: counts and formats stand behind a comma: x rip, 4$/],
    ['p/x rax', /: p rax,x$/],
    ['delete 9', /there is no breakpoint 9/],
    ['x', /which memory\?/],
    ['find cell, 8', /what where\?/],
    ['sipi 0x100', /a vector from 0 to 0xff is wanted/],
    ['info nothing', /info takes breakpoints or one of Registers, /],
    ['regs foo', /there is no `foo` in Registers/],
    ['rwatch rax', /reading a register cannot be watched/],
    ['break trap:#XX', /says nothing about trap/],
    ['break 0x800000000000', /^refused: 0x800000000000: not canonical, bits 63:47 must be equal$/],
    ['watch [0xdead000000000000]:u32', /^refused: 0xdead000000000000: not canonical/],
    ['break phys:0xfffffffffffff000', /physical addresses end at 0x10000000000000$/],
    ['set rax', /what to what\?/],
    ['cpl = 3', /cpl cannot be set/],
  ])('%s is refused in one line', async (line, message) => {
    const { say } = await open(counting);
    const [said = '', ...more] = await say(line);
    expect(said).toMatch(message);
    expect(said).not.toContain('\n');
    expect(more).toEqual([]);
  });

  test('a place that nothing is called: the symbol or the event that is near is offered', async () => {
    const { say } = await open(counting);
    expect(await say('break vmexitt:CPUID')).toEqual([expect.stringMatching(/`vmexitt`; did you mean vmexit\?\n/)]);
    expect(await say('break duoble')).toEqual([expect.stringMatching(/`duoble`; did you mean double\?\n/)]);
    expect(await say('break nowhere_at_all')).toEqual([expect.stringMatching(/`nowhere_at_all`\n/)]);
  });

  test('help lists every command, and tells about each', async () => {
    const { say } = await open(counting);
    const listed = await say('help');
    for (const { names, help } of consoleCommands) {
      expect(listed).toContainEqual(expect.stringContaining(help));
      expect(await say(`help ${names[0]}`)).toContain(help);
    }
  });
});

describe('values', () => {
  test.each([
    ['message,s', '"Hello\\n"'],
    ['[message]:u8,c', "'H'"],
    ['-1,x', '0xffffffffffffffff'],
    ['(-1):i32,d', '-1'],
    ['(-1):i32,u', '4294967295'],
    ['0x1f,b', '0b1_1111'],
    ['8,o', '0o10'],
    ['[cell]:u16[3]', '[0x7788, 0x5566, 0x3344]'],
    ['[cell]:i8,[2],d', '[-120, 119]'],
    ['message,[5],s', '"Hello"'],
    ['gpa[cell]:u64 == phys[cell]:u64', '0x1 true'],
    ['bits(0xabcd, 15, 8)', '0xab 171'],
    ['sym(rip)', expect.stringMatching(/^0x100000 start guest\.asm:2$/)],
    ['mapped(0xffff800000000000)', '0x0 false'],
    ['phys(cell) == cell', '0x1 true'],
    ['why()', 'the program has not started yet'],
  ])('%s', async (text, value) => {
    const { say } = await open(counting);
    expect((await say(`print ${text}`))[0]).toEqual(value);
  });

  test.each([
    ['bits(1, 64, 0)', /counts from 63 down to 0/],
    ['phys(0xffff800000000000)', /nothing is mapped at 0xffff800000000000/],
    ['nothing(1)', /there is no function `nothing`; one of walk, phys/],
    ['walk()', /write walk\(ADDRESS\[, ACCESS\]\)/],
    ["walk(rip, 'q')", /an access is 'r', 'w' or 'x'/],
    ['rax,z', /`z` is no format; one of x d u b o c s/],
    ['[cell]:u8[0]', /a number of elements up to/],
    ['[cell]:u8[2] + 1', /an array can only be shown as a whole/],
    ['msr[0x10],[2]', /only memory has elements/],
  ])('%s is refused', async (text, message) => {
    const { say } = await open(counting);
    expect((await say(`print ${text}`))[0]).toMatch(message);
  });

  test('results unfold: bits of a register, elements of an array, levels of a walk, views of a symbol', async () => {
    const { console } = await open(counting);
    const children = async (text: string): Promise<string[]> => {
      const { items = [] }: Output = await console.execute(text);
      return (items[0]?.children?.() ?? []).map((item) => `${item.name} ${itemValue(item)}`);
    };
    expect(await children('print cr0')).toContain('PG 0x1 paging');
    expect(await children('[cell]:u32[2]')).toEqual(['[0] 0x55667788', '[1] 0x11223344']);
    expect(await children('walk(rip)')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^PDE 0x83 /), 'physical 0x100000 page of 2 MiB']),
    );
    expect(await children('cell')).toEqual([
      'u8 0x88',
      'u16 0x7788',
      'u32 0x55667788',
      'u64 0x1122334455667788',
      expect.stringMatching(/^text "\\x88wfUD3\\"/),
    ]);
  });

  test('a scope shows as many rows as are named, also those with spaces in their names', async () => {
    const { say } = await open(counting);
    const names = (await say('regs rip rsi, rsp rax')).map((line) => /^\S+/.exec(line)?.[0]);
    expect(names.filter((name) => name !== undefined)).toEqual(['rip', 'rsi', 'rsp', 'rax']);
    expect(await say('info dev pic/vector base 1 pic/mask 1')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^vector base 1/), expect.stringMatching(/^mask 1/)]),
    );
  });

  test('a walk is judged for one kind of access, and the pane keeps the address', async () => {
    const { console, say } = await open(counting);
    expect((await say("walk start, 'uw'"))[0]).toMatch(/^0x100000 page of 2 MiB; user write denied: .*walk\.user/);
    expect((await say("walk start, 'w'"))[0]).toBe('0x100000 page of 2 MiB; supervisor write allowed');
    expect((await say('info paging')).join('\n')).toMatch(/\n0x100000 +0x100000 page of 2 MiB/);
    await say('unwalk start');
    expect((await say('info paging')).join('\n')).not.toMatch(/\n0x100000 +0x100000/);
    expect(console.session.machine.log.entries).toEqual([]);
  });

  test('why explains a fault by its rule and the evidence', async () => {
    const { say } = await open('bits 64\nmov rax, 0x4000000000\nmov [rax], rax\nhlt\n');
    await say('break trap:#PF');
    await say('continue');
    const said = (await say('why')).join('\n');
    expect(said).toMatch(/#PF Page Fault \(error code 0x2: supervisor write, page not present; CR2 0x4000000000\)/);
    expect(said).toMatch(/walk\.present/);
    expect(said).toMatch(/Intel|SDM|vol/);
  });
});

describe('stops', () => {
  test('places, events, watches and logs share numbers, are listed, and outlive a restart', async () => {
    const { say, notes, line } = await open(counting);
    expect(await say('break double if ecx == 2')).toEqual([
      expect.stringMatching(/^breakpoint 1 at 0x10[0-9a-f]+ double guest\.asm:8 if ecx == 2$/),
    ]);
    expect(await say('log start.loop log ecx is {ecx}')).toEqual([expect.stringMatching(/^breakpoint 2 at /)]);
    expect(await say('watch ecx if new == 1')).toEqual([expect.stringMatching(/^breakpoint 3 watches change of ecx/)]);
    expect(await say('break trap:#UD hits 2')).toEqual(['breakpoint 4 on trap:#UD hits 2']);
    await say('continue');
    expect(line()).toBe(8);
    expect(await say('ecx')).toEqual(['0x2 2']);
    expect(notes).toEqual(['ecx is 0x3', 'ecx is 0x2']);
    await say('continue');
    expect(await say('ecx')).toEqual(['0x1 1']);
    expect(await say('restart')).toEqual(['restarted']);
    const list = await say('info breakpoints');
    expect(list.map((row) => row.slice(0, 2))).toEqual(['1 ', '2 ', '3 ', '4 ']);
    await say('delete 1, 3');
    expect(await say('breakpoints')).toHaveLength(2);
    await say('delete');
    expect(await say('breakpoints')).toEqual(['no breakpoints']);
  });

  test('every event of a kind is logged without a stop', async () => {
    const { say, notes } = await open('bits 64\nmov dx, 0x80\nmov al, 1\nout dx, al\nmov al, 2\nout dx, al\nhlt\n');
    expect(await say('log port:0x80:w if value == 2')).toEqual(['breakpoint 1 logs port:0x80:w if value == 2']);
    await say('continue');
    expect(notes).toEqual([expect.stringMatching(/port write 0x80, 1 byte <- 0x2/)]);
  });

  test('cwatch stops when the value changes, not when it is written again', async () => {
    const { say, line } = await open('bits 64\nmov byte [cell], 5\nmov byte [cell], 6\nhlt\ncell: db 5\n');
    expect(await say('cwatch [cell]:u8')).toEqual([
      expect.stringMatching(/^breakpoint 1 watches change 1 byte at 0x10/),
    ]);
    expect((await say('continue'))[0]).toMatch(/0x5 -> 0x6/);
    expect(line()).toBe(4);
  });

  test('a physical place stops whatever maps it', async () => {
    const { say, line } = await open(counting);
    expect(await say('break phys:double')).toEqual([expect.stringMatching(/^breakpoint 1 at phys:0x10/)]);
    await say('continue');
    expect(line()).toBe(8);
  });
});

describe('memory', () => {
  test('is searched, filled and written, linear and physical', async () => {
    const { say, session } = await open(counting);
    expect(await say('find 0x100000, 0x1000, "Hello"')).toEqual([expect.stringMatching(/^0x10[0-9a-f]+ message$/)]);
    expect(await say('find 0x100000, 0x1000, 0x11223344:u32')).toEqual([expect.stringMatching(/ cell\+0x4$/)]);
    expect(await say('find 0x100000, 0x1000, "nowhere"')).toEqual(['not found']);
    expect(await say('fill phys:0x200000, 6, 0x01, 0x02')).toEqual(['6 bytes written at phys:0x200000']);
    expect(await say('write 0x200006, "ab", 0x1234:u32')).toEqual(['6 bytes written at 0x200006']);
    expect(await say('x 0x200000, 12')).toEqual([
      expect.stringMatching(/^0x200000 {2}01 02 01 02 01 02 61 62 34 12 00 00 /),
    ]);
    expect(session().machine.log.entries.map(({ input }) => input.kind)).toEqual(['memory', 'memory']);
  });

  test('what crosses a page is found, what is not mapped is passed over', async () => {
    const { say } = await open(counting);
    await say('write 0x200ffe, 0xcafebabe:u32');
    expect(await say('find 0x200000, 0x2000, 0xcafebabe')).toEqual(['0x200ffe']);
    expect(await say('find 0x7fffffff0000, 0x20000, 1')).toEqual(['not found']);
    expect((await say('fill 0xffff800000000000, 4, 1'))[0]).toMatch(/nothing is mapped at 0xffff800000000000/);
  });
});

describe('input from outside is logged', () => {
  test.each([
    ['irq 4', { kind: 'interrupt', line: 4 }],
    ['nmi', { kind: 'nmi', vcpu: 0 }],
    ['init 1', { kind: 'init', vcpu: 1 }],
    ['sipi 8 1', { kind: 'startup', vcpu: 1, vector: 8 }],
    ['send hi', { kind: 'serial', bytes: [0x68, 0x69, 0x0a] }],
    ['type ls\\n', { kind: 'text', text: 'ls\n' }],
    ['scancodes 0x1c 0xf0 0x1c', { kind: 'keys', scancodes: [0x1c, 0xf0, 0x1c] }],
    ['invlpg 0x1000', { kind: 'invalidate', vcpu: 0, linear: 0x1000n }],
    ['reset', { kind: 'reset' }],
  ])('%s', async (line, input) => {
    const { say, session } = await open(counting, { cpus: 2 });
    expect(await say(line)).toEqual([expect.not.stringMatching(/^refused/)]);
    expect(session().machine.log.entries.at(-1)?.input).toEqual(input);
  });

  test('an NMI that the console sends reaches the handler', async () => {
    const { say } = await open(
      'bits 64\nlidt [limits]\nspin: jmp spin\nhandler: mov ebx, 7\nhlt\nlimits: dw 0xfff\ndq 0x300000\n',
    );
    await say('stepi 2');
    const handler = Number((await say('print handler'))[0]?.split(' ')[0]);
    await say(`write 0x300020, ${handler & 0xffff}:u16, 8:u16, 0x8e00:u16, ${handler >>> 16}:u16, 0:u64`);
    await say('nmi');
    await say('break handler');
    expect(await say('continue')).toEqual(['breakpoint 1']);
  });
});

test('looking with any command changes nothing in the machine', async () => {
  const { say, session } = await open(counting);
  await say('stepi 3');
  const before = session().machine.stateHash();
  const looks = [
    ...[
      'print walk(rip)',
      'disas',
      'list',
      'stack',
      'symbols',
      'info',
      'gdt',
      'idt',
      'space',
      'regs',
      'flags',
      'segs',
      'cr',
    ],
    ...[
      'x phys:0xfee00000, 64',
      'x 0xfee00000, 64',
      'find 0xfee00000, 0x1000, 1',
      'why',
      'help',
      'breakpoints',
      'cr0 && [rsp]',
    ],
    ...['registers', 'tables', 'paging', 'tlb', 'interrupts', 'devices', 'machine', 'faults'].map(
      (one) => `info ${one}`,
    ),
  ];
  for (const look of looks) await say(look);
  expect(session().machine.stateHash()).toBe(before);
  expect(session().machine.log.entries).toEqual([]);
});

test('whatever is typed gives lines or a refusal in words', async () => {
  const { console, session } = await open(counting);
  const names = consoleCommands
    .flatMap((command) => command.names)
    .filter((name) => !/^(c|continue|finish|fin|until|u|restart|run|r|reset)$/.test(name));
  const word = fc.oneof(
    fc.constantFrom(
      ...names,
      'rax',
      '[rsp]',
      'cell',
      ',',
      '=',
      'if',
      'log',
      'hits',
      '0x1000',
      '"a',
      'phys:',
      'trap:',
      '(',
    ),
    fc.string({ maxLength: 6 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
      const line = words.join(' ');
      console.complete(line);
      try {
        const { lines } = await console.execute(line);
        expect(lines.every((text) => typeof text === 'string')).toBe(true);
      } catch (error) {
        expect(error, line).toBeInstanceOf(BadInput);
      }
    }),
    { numRuns: 400 },
  );
  expect(session().running).toBe(false);
});

describe('completion', () => {
  const labels = async (text: string): Promise<string[]> => {
    const { console } = await open(counting);
    return console.complete(text).map(({ label }) => label);
  };
  test('commands, registers, parts, symbols, functions, spaces, types, formats, events, scopes, numbers', async () => {
    expect(await labels('disa')).toEqual(expect.arrayContaining(['disas']));
    expect(await labels('p r1')).toEqual(expect.arrayContaining(['r10', 'r15d']));
    expect(await labels('p cr0.')).toEqual(expect.arrayContaining(['cr0.pg', 'cr0.pe']));
    expect(await labels('p cr')).not.toContain('cr0.pg');
    expect(await labels('p mess')).toEqual(['message']);
    expect(await labels('break start.')).toEqual(expect.arrayContaining(['start.loop']));
    expect(await labels('p .l')).toEqual(['.loop']);
    expect(await labels('p wa')).toEqual(['walk(ADDRESS[, ACCESS])']);
    expect(await labels('p phy')).toEqual(expect.arrayContaining(['phys[…]', 'phys(ADDRESS)']));
    expect(await labels('p [rsp]:u')).toEqual(['u8', 'u16', 'u32', 'u64']);
    expect(await labels('p rax,')).toEqual(['x', 'd', 'u', 'b', 'o', 'c', 's']);
    expect(await labels('p walk(rip, dou')).toEqual(['double']);
    expect(await labels('p msr[ia32_ls')).toEqual(['ia32_lstar']);
    expect(await labels('break tra')).toEqual(expect.arrayContaining(['trap']));
    expect(await labels('break double if ec')).toEqual(expect.arrayContaining(['ecx']));
    expect(await labels('break trap if vec')).toEqual(['vector']);
    expect(await labels('info pag')).toEqual(['Paging']);
    expect(await labels('help bre')).toEqual(expect.arrayContaining(['break']));
  });

  test('what is put in replaces the word, and the cursor goes between the brackets', async () => {
    const { console } = await open(counting);
    expect(console.complete('p wal')).toMatchObject([{ text: 'walk()', cursor: 5, length: 3, kind: 'function' }]);
    expect(console.complete('p 1 + dou')).toMatchObject([{ label: 'double', length: 3, kind: 'function' }]);
  });

  test('a hundred thousand symbols are no slower than ten: only the first of them are made', async () => {
    const labelsOf = Array.from({ length: 100_000 }, (_, n) => `name_${n}:`).join('\n');
    const { console } = await open(`bits 64\nhlt\n${labelsOf}\n`);
    const found = console.complete('p name_9');
    expect(found).toHaveLength(200);
    expect(found.every(({ label }) => label.startsWith('name_9'))).toBe(true);
  });
});

describe('names of entries that are not there', () => {
  test.each([
    ['pte.0x200000.rw', 'ends at its PDE, which maps a page of 2 MiB: there is pde.0x200000.rw, and no PTE'],
    [
      'pde.0xffff800000000000',
      'ends at its PML4E, which is not present: there is pml4e.0xffff800000000000, and no PDE',
    ],
    ['pde.0x200000.rv', 'pde has no field rv, did you mean rw?; it has p, rw, us'],
    ['gdt.0x7ff8.dpl', 'entry 0x7ff8 of the GDT lies beyond its limit 0x'],
    ['gdt.8.dlp', 'gdt has no field dlp, did you mean dpl?; it has base, limit'],
    ['gdt.nothing', 'there is no register, flag or symbol `gdt.nothing`'],
  ])('print %s', async (name, message) => {
    const { say } = await open(counting);
    expect((await say(`print ${name}`))[0]).toContain(message);
    expect((await say(`set ${name} = 1`))[0]).toContain(message.replace('register, flag or symbol', 'register'));
  });
});

describe('what is not there yet', () => {
  test('a condition may name it; what nothing is called is said beside the breakpoint', async () => {
    const { say } = await open(counting);
    expect(await say('break cpuid if leef == 1')).toEqual([
      'breakpoint 1 on cpuid if leef == 1',
      'nothing is called `leef` now; did you mean leaf?',
    ]);
    expect(await say('break vmexit if reason == CPUIDX || guest_rip == double')).toEqual([
      expect.stringMatching(/^breakpoint 2 /),
      'nothing is called `CPUIDX` now; did you mean CPUID?',
    ]);
    expect(await say('log cpuid log leaf {leaf} of {bogus}')).toEqual([
      expect.stringMatching(/^breakpoint 3 logs cpuid/),
      'nothing is called `bogus` now',
    ]);
    expect(await say('break double if .loop == eax && ecx != 2')).toHaveLength(1);
    expect(await say('watch eax if new > old')).toHaveLength(1);
  });

  test.each([
    ['info vmcs', 'there is no VMCS now: VMXON has not been executed'],
    ['print GUEST_RIP', 'no VMCS is current, so that there is no GUEST_RIP'],
    ['set vmcs.0x5000.GUEST_RIP = 1', 'there is no VMCS at 0x5000'],
    ['vmcs', 'no VMCS is current, and the program has used none'],
    ['walk guest:rip', 'no guest has exited to a hypervisor that runs now'],
    ['until vmexit', 'vmexit is an event: tbreak vmexit, then continue'],
  ])('%s', async (line, message) => {
    const { say } = await open(counting);
    expect((await say(line))[0]).toContain(`refused: ${message}`);
  });
});
