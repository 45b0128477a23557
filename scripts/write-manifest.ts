/** Writes what package.json repeats of the sources: the launch attributes. A test holds the two equal. */

import { readFileSync, writeFileSync } from 'node:fs';
import { launchAttributes } from '../src/dap/launch-attributes';

const contents = JSON.parse(readFileSync('package.json', 'utf8'));
contents.contributes.debuggers[0].configurationAttributes.launch.properties = launchAttributes();
writeFileSync('package.json', `${JSON.stringify(contents, null, 2)}\n`);
