/** Requests for the fuzz test: good ones for every command of the protocol, and ways to spoil them. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';

export const program = '/guest.asm';

/** Spins, calls, faults and prints, and never comes to an end. */
export const guest = `bits 64
start:  lidt [idtr]
        mov ecx, 3
.loop:  call put
        loop .loop
        ud2
        cpuid
again:  inc qword [count]
        jmp again
put:    mov al, 'x'
        out 0xe9, al
        ret
fault:  add qword [rsp], 2
        iretq
count:  dq 0
        align 16
idt:    times 6 dq 0, 0
        dw fault - $$, 0x08, 0x8e00, 0x10
        dq 0
idtr:   dw $ - idt - 1
        dq idt
`;

const source = { path: program };

/** Arguments that each request can be sent with; a request that is not here gets the empty object. */
const good: Readonly<Record<string, object>> = {
  initialize: { adapterID: 'ringside', linesStartAt1: true, supportsInvalidatedEvent: true, supportsMemoryEvent: true },
  launch: { program, stopOnEntry: true, cpus: 2 },
  attach: { port: 1 },
  restart: { arguments: { program, stopOnEntry: true } },
  disconnect: { terminateDebuggee: true, suspendDebuggee: false },
  cancel: { requestId: 3, progressId: 'none' },
  setBreakpoints: { source, breakpoints: [{ line: 4, condition: 'ecx == 2', hitCondition: '1' }, { line: 8 }] },
  setFunctionBreakpoints: { breakpoints: [{ name: 'put', condition: 'ecx' }, { name: 'trap:#UD' }] },
  setInstructionBreakpoints: { breakpoints: [{ instructionReference: '0x100000', offset: 7 }] },
  setDataBreakpoints: { breakpoints: [{ dataId: '0x200000:8', accessType: 'write', condition: 'eax == 1' }] },
  setExceptionBreakpoints: {
    filters: ['#UD'],
    filterOptions: [{ filterId: '#PF', condition: 'cpl == 3' }],
    exceptionOptions: [{ path: [{ names: ['#GP'] }], breakMode: 'always' }],
  },
  dataBreakpointInfo: { name: '[count]:u64', frameId: 1000, bytes: 8, asAddress: false },
  breakpointLocations: { source, line: 1, endLine: 20 },
  continue: { threadId: 1, singleThread: true },
  next: { threadId: 1, granularity: 'instruction' },
  stepIn: { threadId: 1, targetId: 1 },
  stepOut: { threadId: 1, singleThread: false },
  stepBack: { threadId: 1 },
  reverseContinue: { threadId: 1 },
  pause: { threadId: 1 },
  restartFrame: { frameId: 1000 },
  stepInTargets: { frameId: 1000 },
  gotoTargets: { source, line: 4 },
  goto: { threadId: 1, targetId: 1 },
  terminateThreads: { threadIds: [2] },
  stackTrace: { threadId: 1, startFrame: 0, levels: 5, format: { hex: true } },
  scopes: { frameId: 1000 },
  variables: { variablesReference: 1000, start: 0, count: 10, filter: 'named', format: { hex: true } },
  exceptionInfo: { threadId: 1 },
  evaluate: { expression: '[count]:u64 + rax', frameId: 1000, context: 'watch' },
  setVariable: { variablesReference: 1000, name: 'rax', value: '0x10' },
  setExpression: { expression: '[count]:u64', value: 'rax + 1', frameId: 1000 },
  completions: { text: 'ra', column: 3, frameId: 1000 },
  readMemory: { memoryReference: '0x100000', offset: 0, count: 64 },
  writeMemory: { memoryReference: '0x200000', data: 'aGVsbG8=', allowPartial: true },
  disassemble: { memoryReference: '0x100000', offset: 0, instructionOffset: -4, instructionCount: 16 },
  source: { sourceReference: 1, source },
  locations: { locationReference: 1 },
  modules: { startModule: 0, moduleCount: 10 },
  'ringside/events': { filters: ['port', 'trap:#UD if step > 3'], rate: 100 },
  'ringside/valueFormat': { radix: 'binary' },
};

const pick = (...words: readonly string[]) => fc.constantFrom(...words);

/** Words that mean something in the language, and some that do not. */
const word = fc.oneof(
  pick('rax', 'rip', 'cr3', 'count', 'start.loop', 'again', '.loop', '$rax', 'step', 'msr[0x10]', 'nothing', '#PF'),
  pick('0', '1', '-1', '0x100000', '0xffffffffffffffff', '1e5', '0x', '99999999999999999999', "'a'", '0b101'),
  pick(
    '[rsp]',
    '[count]:u64',
    'phys[0x1000]:u8[16]',
    'gpa[rip]',
    '[rip+8]:u32',
    '[[rsp]]',
    '[',
    ']:u8',
    ':u16[99999999]',
  ),
  pick('walk(rip)', 'why()', 'sym(rip)', 'walk(', 'why(1, 2)', 'u8(300)', 'walk(walk(1))'),
  pick('+', '-', '*', '/', '%', '<<', '>>', '&&', '||', '!', '==', '<', '=', '(', ')', ',', '?', '~', '/0'),
);
const expression = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));

/** Events of the grammar, more or less. */
const event = fc
  .tuple(
    pick('trap', 'int', 'irq', 'port', 'msr', 'mmio', 'pte', 'cr3', 'cpuid', 'ring', 'mode', 'stale', 'syscall', 'x'),
    fc.array(pick('#UD', '13', '0x3f8', '0x3f8-0x3ff', 'w', 'r', 'IA32_LSTAR', '', '-1', '0x400000', 'in'), {
      maxLength: 3,
    }),
    fc.oneof(
      fc.constant(''),
      expression.map((text) => ` if ${text}`),
    ),
  )
  .map(([kind, details, condition]) => [kind, ...details].join(':') + condition);

/** Lines of the debug console. */
const line = fc
  .tuple(
    pick(
      ...[
        'help',
        'info',
        'walk',
        'unwalk',
        'why',
        'break',
        'tbreak',
        'log',
        'watch',
        'rwatch',
        'delete',
        'breakpoints',
      ],
      ...[
        'step',
        'next',
        'stepi',
        'nexti',
        'finish',
        'until',
        'restart',
        'continue',
        'set',
        'irq',
        'nmi',
        'init',
        'sipi',
      ],
      ...[
        'send',
        'type',
        'scancodes',
        'invlpg',
        'reset',
        'print',
        'p/x',
        'x',
        'x/4xb',
        'find',
        'write',
        'fill',
        'disas',
      ],
      ...['list', 'stack', 'symbols', 'vcpu', 'quit', 'registers', 'gdt', 'idt', 'tlb', 'screen', 'step 3', 'step -1'],
    ),
    fc.oneof(expression, event, fc.string({ maxLength: 12 })),
  )
  .map(([command, rest]) => `${command} ${rest}`);

/** What is mostly text: grammars of their own. */
const written: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  evaluate: fc.oneof(
    fc.record({ expression: line, context: fc.constant('repl'), frameId: fc.constant(1000) }),
    fc.record({ expression, context: pick('watch', 'hover', 'clipboard'), frameId: fc.constant(1000) }),
  ),
  completions: fc.oneof(line, expression).map((text) => ({ text, column: text.length + 1, frameId: 1000 })),
  setExpression: fc.record({ expression, value: expression, frameId: fc.constant(1000) }),
  setFunctionBreakpoints: fc
    .array(
      fc.record({ name: fc.oneof(event, expression), condition: expression, hitCondition: pick('', '== 2', '% 0') }),
    )
    .map((breakpoints) => ({ breakpoints })),
  setExceptionBreakpoints: event.map((condition) => ({
    filters: [],
    filterOptions: [{ filterId: 'event', condition }],
  })),
  setBreakpoints: fc
    .record({
      line: fc.integer({ min: 0, max: 25 }),
      condition: expression,
      logMessage: expression.map((text) => `{${text}}`),
    })
    .map((breakpoint) => ({ source, breakpoints: [breakpoint] })),
  dataBreakpointInfo: fc.record({
    name: expression,
    frameId: fc.constant(1000),
    bytes: fc.integer({ min: 0, max: 5000 }),
  }),
  'ringside/events': fc.array(event, { maxLength: 3 }).map((filters) => ({ filters })),
};

/** All requests of the protocol, from the comments of its declaration. */
const types = createRequire(import.meta.url).resolve('@vscode/debugprotocol/lib/debugProtocol.d.ts');
const protocol = [...readFileSync(types, 'utf8').matchAll(/\/\/ command: '(\w+)'/g)].map(([, name]) => name as string);

const odd = ['', 'nonsense', 'constructor', '__proto__', 'toString', 'ringside/nothing', '💥'];

/** Values that no argument is. Each is valid JSON. */
const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    0.5,
    1e308,
    -(2 ** 53),
    2 ** 31,
    2 ** 53,
    '',
    '0x',
    '18446744073709551616',
    '-1',
    'rax',
    '[[[',
    '💥\u0000\n',
    '../../etc/passwd',
    [],
    [[]],
    [null],
    {},
    { length: -1 },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

type Path = readonly (string | number)[];

/** The places of a value, itself among them. */
const places = (value: unknown, at: Path = []): Path[] =>
  typeof value === 'object' && value !== null
    ? [at, ...Object.entries(value).flatMap(([name, inner]) => places(inner, [...at, name]))]
    : [at];

/** A copy with another value at a place; without it when the value is undefined. */
const replaced = (value: unknown, [first, ...rest]: Path, by: unknown): unknown => {
  if (first === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const fields = copy as Record<string | number, unknown>;
  const inner = replaced(fields[first], rest, by);
  if (inner === undefined && !Array.isArray(copy)) delete fields[first];
  else fields[first] = inner ?? null;
  return copy;
};

const missing = fc.constant(undefined);

const spoiled = (args: object): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      fc.constantFrom(...places(args)),
      fc.oneof({ weight: 3, arbitrary: strange }, { weight: 1, arbitrary: missing }),
    )
    .map(([place, by]) => replaced(args, place, by));

export interface Sent {
  readonly command: unknown;
  readonly arguments?: unknown;
}

/** @param handled the commands that the adapter knows, its own among them */
export const anyRequest = (handled: readonly string[]): fc.Arbitrary<Sent> => {
  const commands = [...new Set([...protocol, ...handled])];
  const known = fc.constantFrom(...commands).chain((command) => {
    const args = good[command] ?? {};
    return fc
      .oneof(
        { weight: 2, arbitrary: fc.constant<unknown>(args) },
        { weight: 3, arbitrary: spoiled(args) },
        { weight: 4, arbitrary: written[command] ?? fc.constant<unknown>(args) },
      )
      .map((given) => ({ command, arguments: given }));
  });
  const unknown = fc.record({ command: fc.oneof(fc.constantFrom<unknown>(...odd), strange), arguments: strange });
  return fc.oneof({ weight: 12, arbitrary: known }, { weight: 1, arbitrary: unknown });
};

export const goodRequest = (command: string): Sent => ({ command, arguments: good[command] ?? {} });
