/** A hypervisor of a case, in a session that has not started yet. */

import type { Session } from '../../src/debugger/session';
import { debug } from '../debugger/guest-session';
import { hypervisor, type Spec } from '../machine/vmx/hypervisor';

export const start = async (spec: Spec, cpu = 'haswell'): Promise<Session> =>
  (await debug(hypervisor(spec), { cpu })).session;
