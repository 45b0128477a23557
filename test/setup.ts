/** Before any test: dist/core.wasm is as new as its sources. */

import { buildCore } from '../scripts/build.mjs';

export const setup = () => buildCore();
