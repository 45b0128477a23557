/** Runs the tests' hypervisor on Bochs, without a BIOS; what it prints comes back by COM1. */

import { runOnBochs } from '../../bochs';
import { ramImage } from '../../guests/peers';
import { hypervisor, type PrintedExit, recordsOf, type Spec } from './hypervisor';

/** Models of Bochs by preset. */
const models: Readonly<Record<string, string>> = {
  haswell: 'corei7_haswell_4770',
  skylake: 'corei7_skylake_x',
};

export const hypervisorOnBochs = (
  spec: Spec,
  cpu = 'haswell',
): { readonly exits: readonly PrintedExit[]; readonly end: string } => {
  const image = ramImage({ source: hypervisor(spec), bits: 64 });
  const { serial } = runOnBochs(image, { model: models[cpu] ?? cpu, ips: 100_000_000, patience: 20_000 });
  return recordsOf(
    Buffer.from(serial ?? [])
      .toString('latin1')
      .replaceAll('\0', ''),
  );
};
