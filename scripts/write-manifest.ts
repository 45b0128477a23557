/** Writes what package.json repeats of the sources: the launch attributes. A test holds the two equal. */

import { readFileSync, writeFileSync } from 'node:fs';
import { attachAttributes, launchAttributes } from '../src/dap/launch-attributes';

const contents = JSON.parse(readFileSync('package.json', 'utf8'));
contents.contributes.debuggers[0].configurationAttributes = {
  launch: { ...contents.contributes.debuggers[0].configurationAttributes.launch, properties: launchAttributes() },
  attach: { properties: attachAttributes() },
};
writeFileSync('package.json', `${JSON.stringify(contents, null, 2)}\n`);
