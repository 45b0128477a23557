/** A breakpoint at a guest-physical address is translated when it is set. */

import { expect, test } from 'vitest';
import { Console } from '../../src/debugger/console/console';
import { debug } from './guest-session';

test('and that it does not follow EPT is said', async () => {
  const { session } = await debug('nop\nhlt');
  const console = new Console({
    session,
    radix: 'hex',
    move: async () => ({ lines: [] }),
    restart: async () => ({ lines: [] }),
    source: async () => undefined,
  });
  const { lines } = await console.execute('break gpa:0x5000');
  expect(lines).toEqual(['breakpoint 1 at phys:0x5000', expect.stringMatching(/stays there when EPT changes$/)]);
  expect((await console.execute('break phys:0x6000')).lines).toEqual(['breakpoint 2 at phys:0x6000']);
});
