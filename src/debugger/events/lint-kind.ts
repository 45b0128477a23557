/** The event kind of lints: mistakes of hypervisors that the processor lets pass. */

import { lintIds, lintText } from '../lints/lints';
import type { EventOf } from './fields';
import type { EventRow } from './kinds';

export const lintRow: EventRow<EventOf<'lint'>> = {
  summary: 'a mistake of a hypervisor that no rule of the processor forbids',
  stops: 'after the instruction, or before the delivery of the fault',
  subject: 'id',
  fields: [
    { name: 'id', word: ({ id }) => id, words: lintIds.map((id) => [id]), help: 'which one' },
    { name: 'value', size: 8, read: ({ value }) => value, help: 'what was found' },
  ],
  example: 'lint:event-lost',
  text: ({ id, value }) => `${id}: ${lintText(id, value)}`,
  title: ({ id }) => `lint ${id}`,
};
