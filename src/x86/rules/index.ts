/** All rules by id: what the `rule` of a `Reason` names. Ids are unique across the tables; a test asks for one test per row. */

import { controlTransferRules } from './control-transfer';
import { pagingRules } from './paging';
import { segmentationRules } from './segmentation';
import { taskRules } from './task';

export const rules = { ...pagingRules, ...segmentationRules, ...controlTransferRules, ...taskRules };

export type RuleId = keyof typeof rules;
