/** Which oracle reached which definition, with how many of its handlers. */

import { writeFileSync } from 'node:fs';
import { instructions } from '../../src/machine/core/instructions';

export interface Reached {
  readonly native64: Set<string>;
  readonly native32: Set<string>;
  readonly bochs: Set<string>;
  all: readonly string[];
}

/** Definitions that no program can execute, or not so that the two could be compared; what tests them instead. */
const elsewhere: Readonly<Record<string, string>> = {
  'end.linked': 'no instruction: the end of a block without a branch',
  'end.unlinked': 'no instruction: the end of a block without a branch',
  rdfsbase: 'test/core/privilege.test.ts: the base of FS is the C library’s',
  rdgsbase: 'test/core/privilege.test.ts',
  wrfsbase: 'test/core/privilege.test.ts',
  wrgsbase: 'test/core/privilege.test.ts',
  int: 'test/cpu: delivery',
  iretq: 'test/cpu: returns from events',
  syscall: 'test/cpu: system calls',
  sysretq: 'test/cpu: system calls',
  swapgs: 'test/core/privilege.test.ts',
};

const nameOf = (handler: string): string => handler.slice(0, handler.indexOf('/'));

/** Handlers of 16-bit addresses and 16-bit stacks, of ring 0, and the like are out of a Linux program's reach. */
export const report = (reached: Reached): { unreached: string[]; write(): void } => {
  const names = [...new Set(instructions.map(({ name }) => name))].sort();
  const handlers = new Map<string, string[]>();
  for (const handler of reached.all) {
    const list = handlers.get(nameOf(handler));
    if (list) list.push(handler);
    else handlers.set(nameOf(handler), [handler]);
  }
  const rows = names.map((name) => {
    const own = handlers.get(name) ?? [];
    const count = (set: Set<string>): number => own.filter((handler) => set.has(handler)).length;
    const by = { by64: count(reached.native64), by32: count(reached.native32), by16: count(reached.bochs) };
    return { name, own, ...by };
  });
  return {
    unreached: rows.filter(({ name, by64, by32 }) => by64 + by32 === 0 && !(name in elsewhere)).map(({ name }) => name),
    write: () => {
      const oracles = [reached.native64, reached.native32, reached.bochs];
      const lines = rows.map(({ name, own, by64, by32, by16 }) => {
        const never = own.filter((handler) => !oracles.some((oracle) => oracle.has(handler)));
        return `| ${name} | ${own.length} | ${by64} | ${by32} | ${by16} | ${elsewhere[name] ?? never.length} |`;
      });
      writeFileSync('docs/instruction-oracles.md', `${preamble}${lines.join('\n')}\n`);
    },
  };
};

const preamble = `# Which oracle reached which instruction

Written by the differential test (\`RINGSIDE_WRITE_COVERAGE=1 npx vitest run test/differential\`): for each definition of
the core the number of its handlers, how many of them the comparison executed with the processor at hand in 64-bit and
in 32-bit code and with Bochs in 16-bit code, and how many no comparison reached, or what tests them instead.

| definition | handlers | processor, 64-bit | processor, 32-bit | Bochs, 16-bit | not reached |
|---|--:|--:|--:|--:|---|
`;
