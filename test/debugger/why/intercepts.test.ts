/** Of every intercept `why` names what decides: where it exits, and where it does not. */

import { describe, expect, test } from 'vitest';
import type { Session } from '../../../src/debugger/session';
import { currentAddress } from '../../../src/debugger/vcpu-view';
import { controlName } from '../../../src/debugger/why/control-words';
import { explainExit } from '../../../src/debugger/why/explain-exit';
import { whyLast, whyNext } from '../../../src/debugger/why/instruction';
import { whyNot } from '../../../src/debugger/why/reason';
import type { ExitCause } from '../../../src/machine/core/exit';
import { pendingCauses } from '../../../src/machine/vmx/pending-events';
import { presets } from '../../../src/x86/presets';
import { type ExitReasonName, exitReasons } from '../../../src/x86/vmx/exit-reasons';
import { hypervisor, type Spec } from '../../machine/vmx/hypervisor';
import { interceptRows } from '../../machine/vmx/intercept-rows';
import { debug } from '../guest-session';

const available = new Set<string>(presets.filter(({ vmx }) => vmx !== undefined).map(({ name }) => name));
const rows = interceptRows.filter(({ cpu }) => cpu === undefined || available.has(cpu));

const start = async (spec: Spec, cpu: string): Promise<Session> => (await debug(hypervisor(spec), { cpu })).session;

/** How what decides is named. */
const nameOf = (decides: string): string => (decides.includes('.') ? controlName(decides) : decides);

const isEvent = (reason: ExitReasonName): boolean => pendingCauses.some((row) => row.reason === reason);

/** The cause of the exit with this reason that a guest makes. */
const causeOf = async (spec: Spec, cpu: string, reason: ExitReasonName): Promise<ExitCause> => {
  const session = await start(spec, cpu);
  session.events.break(`vmexit:${reason}`);
  const pause = await session.continue();
  if (pause.reason !== 'event' || pause.event.kind !== 'vmexit') throw new Error(`no exit: ${pause.reason}`);
  return pause.event.cause;
};

const bitText = ({ bit, bitmapByte = 0n }: ExitCause, value: 0 | 1): string =>
  `bit ${bit} of the byte at 0x${bitmapByte.toString(16)} is ${value}`;
const BITMAPS: ReadonlySet<string> = new Set(['io.bitmap', 'msr.bitmap']);

describe.each(rows.map((row) => [row.name, row] as const))('%s', (_, row) => {
  const { reason, decides, exits, passes, cpu = 'haswell', rule } = row;

  test('why it exits', async () => {
    const session = await start(exits, cpu);
    session.events.break(`vmexit:${reason}`);
    const pause = await session.continue();
    if (pause.reason !== 'event' || pause.event.kind !== 'vmexit') throw new Error(`no exit: ${pause.reason}`);
    const text = explainExit(session.machine, 0, pause.event);
    expect(text).toContain(`${exitReasons[reason].number} ${reason}`);
    expect(text).toContain(decides === undefined ? 'it always exits' : nameOf(decides));
    if (rule === 'msr.outside-bitmap') expect(text).toContain(' of MSR 0x');
    if (BITMAPS.has(rule)) expect(text).toContain(bitText(pause.event.cause, 1));
    expect(whyLast(session, 0).text).toBe(text);
  });

  test.skipIf(passes === undefined || decides === undefined)('why it does not exit', async () => {
    const session = await start(passes ?? exits, cpu);
    session.events.break('vmentry', { temporary: true });
    await session.continue();
    const said: string[] = [];
    const end = session.info.resolve('done', currentAddress(session.vcpu(0)));
    for (let n = 0; n < 40 && currentAddress(session.vcpu(0)) !== end && session.vcpu(0).vmx?.nonRoot; n++) {
      const before = session.machine.stateHash();
      said.push(whyNext(session, 0).text);
      if (isEvent(reason)) said.push(whyNot(session, 0, reason).text);
      expect(session.machine.stateHash()).toBe(before);
      await session.step(0, 'into', 'instruction');
      if (session.vcpu(0).vmx?.nonRoot) said.push(whyLast(session, 0).text);
    }
    expect(said.join('\n')).toContain(nameOf(decides ?? ''));
    if (BITMAPS.has(rule)) expect(said.join('\n')).toContain(bitText(await causeOf(exits, cpu, reason), 0));
  });
});
