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
      .oneof({ weight: 2, arbitrary: fc.constant<unknown>(args) }, { weight: 3, arbitrary: spoiled(args) })
      .map((given) => ({ command, arguments: given }));
  });
  const unknown = fc.record({ command: fc.oneof(fc.constantFrom<unknown>(...odd), strange), arguments: strange });
  return fc.oneof({ weight: 12, arbitrary: known }, { weight: 1, arbitrary: unknown });
};

export const goodRequest = (command: string): Sent => ({ command, arguments: good[command] ?? {} });
