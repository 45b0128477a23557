/** The command `ringside`. Whatever is wrong with what the user gave ends in one line and status 2. */

import { BadInput } from '../program/program';
import { dispatch } from './dispatch';
import { complain } from './result';

const BAD_INPUT = 2;
const INTERNAL_ERROR = 8;

const main = async (): Promise<void> => {
  // Whoever reads our output may go away: `ringside run … | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
  });
  try {
    process.exitCode = await dispatch(process.argv.slice(2));
  } catch (error) {
    if (error instanceof BadInput) {
      complain(error.message);
      process.exitCode = BAD_INPUT;
      return;
    }
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    // Where it happened is for who mends it: RINGSIDE_DEBUG=1 asks for it.
    complain(`internal error, please report it: ${process.env.RINGSIDE_DEBUG ? stack : message}`);
    process.exitCode = INTERNAL_ERROR;
  }
};

void main();
