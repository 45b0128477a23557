import { expect, test } from 'vitest';
import { rules } from '../../src/x86/rules';
import { controlTransferRules } from '../../src/x86/rules/control-transfer';
import { pagingRules } from '../../src/x86/rules/paging';
import type { RuleTable } from '../../src/x86/rules/rule';
import { segmentationRules } from '../../src/x86/rules/segmentation';
import { taskRules } from '../../src/x86/rules/task';
import { segmentationRefusals } from './segmentation-refusals';
import { taskRefusals } from './task-refusals';
import { transferRefusals } from './transfer-refusals';

const tables = { segmentationRules, controlTransferRules, taskRules, pagingRules };

test('an id stands in one table', () => {
  const ids = Object.values(tables).flatMap((table) => Object.keys(table));
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  for (const id of ids) expect(rules).toHaveProperty([id]);
});

test('a rule is one sentence in the present tense, without its full stop', () => {
  for (const [id, { section, says }] of Object.entries(Object.assign({}, ...Object.values(tables)) as RuleTable)) {
    expect(says, id).not.toMatch(/[.!]$|\bmust\b|\bshall\b/);
    expect(section, id).toMatch(/^Intel SDM vol\. [1-4], "/);
  }
});

test('every rule of segmentation, transfers and tasks is broken by a test', () => {
  const broken = new Set([...segmentationRefusals, ...transferRefusals, ...taskRefusals].map(({ rule }) => rule));
  // Made of two faults and therefore not thrown: delivery.test.ts looks at it.
  broken.add('double-fault');
  const ids = Object.keys({ ...segmentationRules, ...controlTransferRules, ...taskRules });
  expect(ids.filter((id) => !(broken as Set<string>).has(id))).toEqual([]);
});
