/** The version, from the one place where it is written. */

import { version as written } from '../../package.json';

export const version: string = written;
