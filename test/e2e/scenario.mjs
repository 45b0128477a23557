/** What is played in the workbench: one session after the other, in one window, as a person would. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debuggingOn } from './debugging.mjs';
import { doctorSession } from './session-doctor.mjs';
import { eventsSession } from './session-events.mjs';
import { exitsSession } from './session-exits.mjs';
import { failedEntrySession } from './session-failed-entry.mjs';
import { helloSession } from './session-hello.mjs';

const sessions = [helloSession, eventsSession, exitsSession, failedEntrySession, doctorSession];

export const scenario = async ({ page, workspace, screenshot }) => {
  const tools = {
    page,
    editor: debuggingOn(page),
    step: async (name, action) => {
      console.log(`- ${name}`);
      await action();
      await screenshot(name.replaceAll(/\W+/g, '-'));
    },
    /** Number of the first line with a text, from the one with another text on. */
    lineOf: (file, text, behind = '') => {
      const lines = readFileSync(join(workspace, file), 'utf8').split('\n');
      const from = lines.findIndex((line) => line.includes(behind));
      return lines.findIndex((line, index) => index >= from && line.includes(text)) + 1;
    },
  };
  for (const session of sessions) await session(tools);
};
