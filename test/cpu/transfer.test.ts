import { describe } from 'vitest';
import { refusalTests } from './refusals';
import { transferRefusals } from './transfer-refusals';

describe('refusals', () => refusalTests(transferRefusals));
