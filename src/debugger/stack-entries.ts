/** The ways into code that leave a trace of where they came from, each as the step from a frame to the one outside it. */

import type { StackDepth } from './stack-depth';
import { byTaskLink, farCalledFrom, interruptedFrom } from './stack-far-entries';
import { byCloseSystemCall, byOwnSystemCall } from './stack-system-calls';
import { type Entry, outer, type Place, REACH, type StackWalk } from './stack-walk';

const RBP = 5;

/** The frame pointer of the function's own: what it was entered with lies as far above as the function has pushed. */
const byFramePointer: Entry = (walk, inner) => {
  const depth = walk.depth(inner);
  return depth?.rbp === undefined || inner.rbp === undefined
    ? undefined
    : enteredFrom(walk, inner, inner.rbp + BigInt(depth.rbp), depth);
};

/** As much as the function has pushed lies between RSP and what it was entered with. */
const byDepth: Entry = (walk, inner) => {
  const depth = walk.depth(inner);
  return depth?.rsp === undefined || inner.rsp === undefined
    ? undefined
    : enteredFrom(walk, inner, inner.rsp + BigInt(depth.rsp), depth);
};

/** @param entry what RSP was at the function's first instruction */
const enteredFrom = (walk: StackWalk, inner: Place, entry: bigint, depth: StackDepth): Place | undefined => {
  if (inner.rsp !== undefined && entry < inner.rsp) return undefined;
  const step = BigInt(inner.word);
  const pushed = depth.pushed.get(RBP);
  const saved = pushed === undefined ? inner.rbp : walk.word(inner, entry - BigInt(pushed));
  const caller = { ...inner, rbp: saved };
  return (
    interruptedFrom(walk, caller, entry) ??
    farCalledFrom(walk, caller, entry) ??
    calledFrom(walk, caller, entry) ??
    // Some exceptions push an error code last.
    interruptedFrom(walk, caller, entry + step)
  );
};

/** The caller whose return address lies here. */
const calledFrom = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const rip = walk.word(inner, at);
  if (rip === undefined || walk.followsCall(inner, rip, false) === undefined) return undefined;
  return outer(walk, inner, { rip, rsp: at + BigInt(inner.word), rbp: inner.rbp, entered: 'call' });
};

/** Nothing tells how far the return address is: the nearest word that can be one, up to where RBP may point to one. */
const bySearch: Entry = (walk, inner) => {
  const { word, rsp } = inner;
  // Compiled code tells exactly where it was entered from: if nothing plausible lies there, this is the outermost frame.
  if (rsp === undefined || walk.isMeasured(inner)) return undefined;
  const step = BigInt(word);
  const chained = chain(walk, inner);
  for (let n = 0n; n < REACH; n++) {
    const at = rsp + n * step;
    if (walk.word(inner, at) === undefined) break;
    // The chain of frame pointers is certain up to its own frame.
    if (chained?.rsp !== undefined && at >= chained.rsp - step) return chained;
    const found =
      interruptedFrom(walk, inner, at) ?? farCalledFrom(walk, inner, at) ?? plausibleCaller(walk, inner, at);
    if (found !== undefined) return found;
  }
  return chained;
};

/** [RBP] is the caller's RBP, [RBP + word] the return address. */
const chain: Entry = (walk, inner) => {
  const { rbp, rsp, word } = inner;
  if (rbp === undefined || rsp === undefined || rbp < rsp || rbp % BigInt(word) !== 0n) return undefined;
  const step = BigInt(word);
  const saved = walk.word(inner, rbp);
  const rip = walk.word(inner, rbp + step);
  if (saved === undefined || rip === undefined || walk.followsCall(inner, rip, false) === undefined) return undefined;
  return outer(walk, inner, { rip, rsp: rbp + 2n * step, rbp: saved > rbp ? saved : undefined, entered: 'call' });
};

/** A return address: a near call stands before it; a direct one must go to the function that runs. */
const plausibleCaller = (walk: StackWalk, inner: Place, at: bigint): Place | undefined => {
  const rip = walk.word(inner, at);
  if (rip === undefined) return undefined;
  const call = walk.followsCall(inner, rip, false);
  if (call?.target === undefined) return undefined;
  if (!walk.isWithin(call.target, walk.siteOf(inner))) return undefined;
  return outer(walk, inner, { rip, rsp: at + BigInt(inner.word), rbp: inner.rbp, entered: 'call' });
};

/** In this order: what is exact before what is only plausible. */
export const entries: readonly Entry[] = [
  byOwnSystemCall,
  byFramePointer,
  byDepth,
  bySearch,
  byCloseSystemCall,
  byTaskLink,
];
