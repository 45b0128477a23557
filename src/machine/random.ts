/** SplitMix64 by its constants: the seed is the only randomness there is. */

export const nextSeed = (seed: bigint): bigint => BigInt.asUintN(64, seed + 0x9e3779b97f4a7c15n);

export const randomOf = (seed: bigint): bigint => {
  let z = seed;
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
};
