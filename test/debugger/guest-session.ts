/** A session of the debugger's engine on a guest written in a test; no protocol, no process. */

import { type RawSettings, readSettings } from '../../src/debugger/machine-options';
import { Session } from '../../src/debugger/session';
import { currentAddress } from '../../src/debugger/vcpu-view';
import { MemoryFiles } from '../../src/program/files-memory';

export interface Debugged {
  readonly session: Session;
  /** Lines that the engine told. */
  readonly notes: string[];
  output(): string;
  /** Source line where vCPU 0 stands, or undefined. */
  line(vcpu?: number): number | undefined;
}

export const debug = async (source: string, options: RawSettings = {}, more: object = {}): Promise<Debugged> => {
  const notes: string[] = [];
  let output = '';
  const put = (byte: number): void => {
    output += String.fromCharCode(byte);
  };
  const session = await Session.start({
    files: new MemoryFiles({ 'guest.asm': source }),
    program: 'guest.asm',
    settings: readSettings({ memory: '16M', ...options }, (name) => name),
    sinks: { serial: put, console: put },
    note: (text) => notes.push(text),
    ...more,
  });
  return {
    session,
    notes,
    output: () => output,
    line: (vcpu = 0) => session.info.lines.at(currentAddress(session.vcpu(vcpu)))?.line,
  };
};
