/** All rules by id: what the `rule` of a `Reason` names. Ids are unique across the tables; a test asks for one test per row. */

import { controlTransferRules } from './control-transfer';
import { executionRules } from './execution';
import { msrRules } from './msr';
import { pagingRules } from './paging';
import { segmentationRules } from './segmentation';
import { systemRules } from './system';
import { taskRules } from './task';
import { vmxRules } from './vmx';

export const rules = {
  ...executionRules,
  ...pagingRules,
  ...segmentationRules,
  ...controlTransferRules,
  ...taskRules,
  ...systemRules,
  ...msrRules,
  ...vmxRules,
};

export type RuleId = keyof typeof rules;
