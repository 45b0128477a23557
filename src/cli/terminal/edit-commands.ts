/** Commands that change the machine from outside, and those about the terminal itself. */

import { assign, evaluate } from '../../debugger/expression/evaluator';
import { parseQuery } from '../../debugger/expression/parser';
import { readInteger } from '../../debugger/machine-options';
import { describeValue } from '../../debugger/value-text';
import { BadInput } from '../../program/program';
import type { Desk, TerminalCommand } from './command';

const set = (desk: Desk, operand: string): void => {
  const environment = desk.session.environment(desk.vcpu);
  const { place, value } = parseQuery(operand);
  if (place === undefined) throw new BadInput('what to what? set rax = 5, set [0x1000]:u32 = 7');
  assign(place, evaluate(value, environment).bits, environment);
  desk.print(describeValue(evaluate(place, environment), desk.session.info));
};

const selectVcpu = (desk: Desk, operand: string): void => {
  if (operand !== '') desk.vcpu = desk.session.vcpu(Number(readInteger(operand) ?? -1n)).index;
  desk.print(`vCPU ${desk.vcpu}`);
};

const help = (desk: Desk, operand: string): void => {
  if (operand === '') {
    for (const { names, usage, summary } of desk.commands)
      desk.print(`${`${names[0]} ${usage}`.trim().padEnd(34)} ${summary}`);
    return;
  }
  const found = desk.commands.find(({ names }) => names.includes(operand));
  if (found === undefined) throw new BadInput(`${operand}: no such command`);
  desk.print(`${found.names[0]} ${found.usage}`.trim());
  desk.print(found.summary);
  if (found.names.length > 1) desk.print(`short: ${found.names.slice(1).join(', ')}`);
};

export const editCommands: readonly TerminalCommand[] = [
  {
    names: ['set'],
    usage: 'PLACE = EXPRESSION',
    summary: 'Sets a register, a flag or memory.',
    completes: 'expression',
    run: set,
  },
  {
    names: ['send'],
    usage: 'TEXT',
    summary: 'Lets a line of text arrive at COM1.',
    run: (desk, operand) =>
      desk.session.machine.input({ kind: 'serial', bytes: [...new TextEncoder().encode(`${operand}\n`)] }),
  },
  { names: ['vcpu'], usage: '[N]', summary: 'Looks at another vCPU.', run: selectVcpu },
  {
    names: ['history'],
    usage: '',
    summary: 'Shows the commands so far.',
    run: (desk) => {
      desk.history.forEach((line, index) => void desk.print(`${String(index + 1).padStart(4)}  ${line}`));
    },
  },
  { names: ['help', 'h', '?'], usage: '[COMMAND]', summary: 'Shows this.', completes: 'command', run: help },
  { names: ['quit', 'q', 'exit'], usage: '', summary: 'Leaves.', run: (desk) => desk.quit() },
];
