/** docs/command-line.md, made from the tables that the command itself uses. */

import { exitStatuses } from '../../src/cli/help';
import { commands, usageOf } from '../../src/cli/options';
import { ownCommands } from '../../src/cli/terminal/own-commands';
import { consoleCommands } from '../../src/debugger/console/console';
import { type EventRow, eventKinds, rowOf } from '../../src/debugger/events/kinds';
import { lints } from '../../src/debugger/lints/lints';
import { flagOf, type MachineOption, machineOptions } from '../../src/debugger/machine-options';
import { type ExitReasonName, exitReasons } from '../../src/x86/vmx/exit-reasons';

const eventLine = (kind: (typeof eventKinds)[number]): string => {
  const { example, summary, stops, fields }: EventRow = rowOf(kind);
  return `| \`${example}\` | ${summary} | ${stops} | ${fields.map(({ name }) => `\`${name}\``).join(' ')} |`;
};

const cell = (text: string): string => text.replace(/\|/g, '\\|');

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

const exitReasonRows = (Object.keys(exitReasons) as ExitReasonName[]).map((name) => [
  String(exitReasons[name].number),
  code(name),
  exitReasons[name].meaning,
]);

const optionRows = machineOptions.map((option: MachineOption) => {
  const value = option.placeholder === undefined ? '' : ` ${option.placeholder}`;
  const standard = option.default === undefined || option.default === false ? '' : code(String(option.default));
  return [code(`${flagOf(option.name as never)}${value}`), code(option.name), standard, option.description];
});

const commandSections = commands.map((command) => {
  const rows = command.options.map(({ flag, placeholder, optional, description }) => {
    const value = placeholder === undefined ? '' : optional ? ` [${placeholder}]` : ` ${placeholder}`;
    return [code(flag + value), description];
  });
  const options = rows.length === 0 ? '' : `\n\n${table(['option', ''], rows)}`;
  const machine = command.machine ? '\n\nAnd [the options of the machine](#options-of-the-machine).' : '';
  return `### ${command.name}\n\n    ${usageOf(command).replace('usage: ', '')}\n\n${command.summary}${options}${machine}`;
});

export const manual = (): string => `# The command line

<!-- Made from the tables in src/ by test/cli/manual.ts: \`npx vitest run test/cli/manual.test.ts -u\`. -->

    ringside COMMAND [OPTIONS]

\`ringside help COMMAND\` shows what is here. An option's value stands behind it or after \`=\`; \`--\` ends the options. What is
wrong with an option, a file or a program is told in one line on stderr, with status 2.

## Commands

${commandSections.join('\n\n')}

## Options of the machine

In launch.json the same options have the names of the second column. Numbers may be decimal or hexadecimal, there also
as strings.

${table(['option', 'launch.json', 'default', ''], optionRows)}

## Exit status of run

Odd ones belong to the guest, even ones are ours.

${table(['status', ''], exitStatuses)}

A reset (8042, port 0x92) starts the machine again from its [boot contract](boot-contract.md), unless \`--no-reboot\` says
that it ends there. stdout carries what the guest prints on COM1 and on port 0xe9, and nothing else; every line of ours
goes to stderr.

## --json

\`--json FILE\` writes the result to a file; \`--json -\`, or \`--json\` as the last word or before another option, to
stdout, and then what the guest prints goes to stderr. The result of \`run\` and \`debug\`:

| field | |
| --- | --- |
| \`outcome\` | \`halted\`, \`power-off\`, \`reset\`, \`guest-exit\`, \`bad-input\`, \`budget\`, \`triple-fault\`, \`internal-error\`, \`no-progress\` or \`interrupted\` |
| \`exitCode\` | the exit status |
| \`instructions\` | instructions retired |
| \`seconds\`, \`mips\` | time of the host for the run, and millions of instructions a second |
| \`stateHash\` | 128 bits over the whole state of the machine; equal for equal states |
| \`events\` | how often what happened: \`traps\` by mnemonic, \`interrupts\` and \`softwareInterrupts\` by vector, \`vmexits\` by the [names of the exit reasons](#exit-reasons) (\`{"CPUID": 3}\`), other kinds in all |

## Events

\`run --trace\`, \`break\` and \`log\` in the terminal debugger and \`trace\` in launch.json take the same words, separated by commas: a
kind of event, then after colons what must be true of it: a value, a range (\`port:0x3f8-0x3ff\`) or a name of what the kind is
about, \`r\` or \`w\` for the direction, or \`FIELD=VALUE\` for any field. \`cr3\` is short for \`cr:cr3\`. Where the machine can stop,
\`if CONDITION\`, \`hits COUNT\` and \`log TEXT\` may follow; the fields are names in them, beside \`step\`, \`vcpu\` and \`at\` (the
instruction's address).

| for example | what | stops | fields |
| --- | --- | --- | --- |
${eventKinds.map(eventLine).join('\n')}

A line of a trace has the position (\`step\`), the address of the instruction, the kind, and what happened and why:

    17 0x100047 trap #PF Page Fault (error code 0x2: supervisor write, page not present; CR2 0x40000000): …

A trace of \`vmexit\` or \`vmentry\` ends with a table of the exits by reason: how many, and the ticks of virtual time from each
to the next VM entry, as \`perf kvm stat\` has it. The command \`exits\` shows the same.

### Exit reasons

The names that \`vmexit:NAME\` takes, that are constants in its conditions (\`vmexit if reason == CPUID && rax == 0x40000000\`), and
that \`--json\` counts by; \`vmexit:10\` takes the number. 35, 38 and 42 are not used. What this machine does not have is
in the list too: a VMCS may come from elsewhere.

${table(['number', 'name', ''], exitReasonRows)}

### Lints

Mistakes of hypervisors that no rule of the processor forbids: \`lint\` stops at (or traces) all of them, \`lint:ID\` one. They are
looked for only while somebody listens.

${table(
  ['id', 'says'],
  lints.map(({ id, says }) => [code(id), says.replace('{value}', '…')]),
)}

## The terminal debugger

Commands may be shortened as long as they are not ambiguous; an empty line repeats the last motion. Lines from a pipe or
from \`-x FILE\` are shown before what they do, those that begin with \`#\` are comments; if one of them could not be done, the
status is 2. Ctrl-C pauses the machine.

${table(
  ['command', 'short', ''],
  [...consoleCommands, ...ownCommands([], () => {})].map(({ names: [name = '', ...short], usage, help, more = [] }) => [
    code(`${name} ${usage}`.trim()),
    short.map(code).join(' '),
    [help, ...more].join(' '),
  ]),
)}

A location is a line, \`FILE:LINE\`, a symbol, or an expression that gives an address (\`*EXPRESSION\` where it would be taken
for a line).

Everything that is no command is an expression ([expressions.md](expressions.md)): its value is shown, and
\`PLACE = EXPRESSION\` sets it. The debug console of VS Code and of other clients takes the same lines, but \`quit\`,
\`history\` and \`vcpu\`.
`;
