import { expect, test } from 'vitest';
import { deriveFormsSource } from './derive-forms';

test('the table of forms is what iced-x86 says', async () => {
  await expect(deriveFormsSource()).toMatchFileSnapshot('../../src/assembler/forms-data.ts');
});
