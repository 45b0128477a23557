/** One guest on Ringside, in a process of its own: million units a second to standard output. `bench/against.ts` runs it in two trees. */

import '../src/cli/tune-v8';
import { ringside } from './engines';
import { guests } from './guests';

const [name] = process.argv.slice(2);
const guest = guests.find((one) => one.name === name);
if (guest === undefined) throw new Error(`there is no guest ${name}`);
const short = Math.round(guest.rounds / 10);
ringside.run(guest, short);
const quick = ringside.run(guest, short);
const few = ringside.instructions;
const seconds = ringside.run(guest, guest.rounds) - quick;
console.log((ringside.instructions - few) / seconds / 1e6);
