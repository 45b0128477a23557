/** What the walks over the protocol share: a guest with something of everything, and sessions on it. */

import { afterEach } from 'vitest';
import type { LeftMachines } from '../../src/dap/left-machines';
import { Dialogue } from './transcript';

export const program = '/guest.asm';

export const guest = `bits 64
start:  xor eax, eax
        mov ecx, 5
.loop:  inc eax
        call double
        dec ecx
        jnz .loop
        mov edx, 0x3f8
        mov al, 'k'
        out dx, al
        mov rbx, double
        call rbx
        ud2
        hlt
double: lea esi, [rax + rax]
        mov [total], eax
        ret
        align 256
total:  dd 0
`;

/** The line that holds this text, counted from 1. */
export const lineOf = (text: string): number => guest.split('\n').findIndex((line) => line.includes(text)) + 1;
export const source = { path: program };

const open: Dialogue[] = [];

/** A client that has not said anything yet; gone behind the test. */
export const newClient = (client: object = {}, left?: LeftMachines, text = guest): Dialogue => {
  const talk = new Dialogue({ [program]: text }, client, left);
  open.push(talk);
  return talk;
};

/** To be called once by each file of tests. */
export const endClients = (): void => {
  afterEach(() => {
    for (const talk of open.splice(0)) talk.end();
  });
};

/** A session that stands at the first instruction. */
export const standing = async (launch: object = {}, client: object = {}, left?: LeftMachines): Promise<Dialogue> => {
  const talk = newClient(client, left);
  await talk.start({ program, stopOnEntry: true, ...launch });
  await talk.event('stopped');
  return talk;
};

/** The value of an expression, as a number. */
export const numberOf = async (talk: Dialogue, expression: string): Promise<bigint> => {
  const { result } = await talk.ask('evaluate', { expression, context: 'watch', frameId: 1000 });
  return BigInt(/^-?\w+/.exec(result)?.[0] ?? result);
};

// biome-ignore lint/suspicious/noExplicitAny: rows as the protocol has them; tests assert what they read
export const rowsOf = async (talk: Dialogue, scope: string): Promise<any[]> => {
  const { scopes } = await talk.ask('scopes', { frameId: 1000 });
  const { variablesReference } = scopes.find(({ name }: { name: string }) => name === scope);
  return (await talk.ask('variables', { variablesReference })).variables;
};
