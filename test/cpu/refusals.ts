/** Runs a table of refusals: the vector, the error code, the rule, and that nothing changed. */

import { expect, test } from 'vitest';
import { faultOf, type Refusal } from './bare-processor';

export const refusalTests = (refusals: readonly Refusal[]): void => {
  test.each(refusals.map((refusal) => [refusal.rule, refusal.name, refusal] as const))('%s: %s', (_, __, refusal) => {
    const processor = refusal.processor();
    const before = processor.snapshot();
    const fault = faultOf(() => refusal.act(processor.cpu, processor));
    expect({ vector: fault.vector, code: fault.errorCode, rule: fault.why.rule }).toEqual({
      vector: refusal.vector,
      code: refusal.code,
      rule: refusal.rule,
    });
    if (!refusal.late) expect(processor.snapshot()).toBe(before);
  });
};
