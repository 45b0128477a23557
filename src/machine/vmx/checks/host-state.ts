/** Intel SDM vol. 3, "Checks on Host-State Area": a broken rule is VMfailValid 8. */

import type { FieldName } from '../../../x86/vmx/fields';
import { fredRules, isCetState, isPat, suitsVmx } from './registers';
import { entryChecks, rule } from './rule';
import {
  all,
  bits,
  control,
  differ,
  equal,
  implies,
  isCanonical,
  isPhysical,
  isSet,
  not,
  processor,
  same,
  within,
} from './tree';

const host64 = control('exit.host-address-space-size');
const guest64 = control('entry.ia-32e-mode-guest');
const inIa32e = equal(processor('host-ia-32e-mode'), 1);
const loadsEfer = control('exit.load-ia32-efer');
const loadsCet = control('exit.load-cet-state');

const controlRegisterChecks = entryChecks('Checks on Host Control Registers, MSRs, and SSP', [
  rule('host.cr0.fixed', suitsVmx('HOST_CR0', 'CR0')),
  rule('host.cr4.fixed', suitsVmx('HOST_CR4', 'CR4')),
  rule('host.cr4.cet-needs-wp', implies(isSet('HOST_CR4', 23), isSet('HOST_CR0', 16))),
  rule('host.cr3.width', isPhysical('HOST_CR3')),
  rule('host.sysenter-esp.canonical', isCanonical('HOST_IA32_SYSENTER_ESP')),
  rule('host.sysenter-eip.canonical', isCanonical('HOST_IA32_SYSENTER_EIP')),
  rule(
    'host.perf-global-ctrl.reserved',
    implies(
      control('exit.load-ia32-perf-global-ctrl'),
      within('HOST_IA32_PERF_GLOBAL_CTRL', processor('perf-global-ctrl-bits')),
    ),
  ),
  rule('host.pat.types', implies(control('exit.load-ia32-pat'), isPat('HOST_IA32_PAT'))),
  rule('host.efer.reserved', implies(loadsEfer, within('HOST_IA32_EFER', processor('efer-bits')))),
  rule('host.efer.lma', implies(loadsEfer, same(isSet('HOST_IA32_EFER', 10), host64))),
  rule('host.efer.lme', implies(loadsEfer, same(isSet('HOST_IA32_EFER', 8), host64))),
  rule('host.s-cet', implies(loadsCet, isCetState('HOST_S_CET'))),
  rule('host.ssp.aligned', implies(loadsCet, equal(bits('HOST_SSP', 1, 0), 0))),
  rule('host.pkrs.reserved', implies(control('exit.load-pkrs'), equal(bits('HOST_IA32_PKRS', 63, 32), 0))),
  ...fredRules('host.fred', 'HOST', control('secondaryExit.load-fred')),
  rule(
    'host.spec-ctrl.reserved',
    implies(control('secondaryExit.load-ia32-spec-ctrl'), within('HOST_IA32_SPEC_CTRL', processor('spec-ctrl-bits'))),
  ),
]);

const selectors = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'TR'] as const;
const bases = ['FS', 'GS', 'TR', 'GDTR', 'IDTR'] as const;

const segmentChecks = entryChecks('Checks on Host Segment and Descriptor-Table Registers', [
  ...selectors.flatMap((name) => {
    const selector: FieldName = `HOST_${name}_SELECTOR`;
    const id = `host.${name.toLowerCase()}.selector`;
    return [rule(`${id}.rpl`, equal(bits(selector, 1, 0), 0)), rule(`${id}.ti`, equal(bits(selector, 2), 0))];
  }),
  rule('host.cs.selector.not-null', differ('HOST_CS_SELECTOR', 0)),
  rule('host.tr.selector.not-null', differ('HOST_TR_SELECTOR', 0)),
  rule('host.ss.selector.not-null', implies(not(host64), differ('HOST_SS_SELECTOR', 0))),
  ...bases.map((name) => rule(`host.${name.toLowerCase()}.base.canonical`, isCanonical(`HOST_${name}_BASE`))),
]);

const addressSpaceChecks = entryChecks('Checks Related to Address-Space Size', [
  rule('address-space.guest-needs-ia-32e', implies(not(inIa32e), not(guest64)), 'address-space.guest-needs-host'),
  rule('address-space.host-needs-ia-32e', implies(not(inIa32e), not(host64))),
  rule('address-space.ia-32e-needs-host', implies(inIa32e, host64)),
  rule(
    'address-space.guest-needs-host',
    implies(not(host64), not(guest64)),
    'address-space.guest-needs-ia-32e',
    'address-space.ia-32e-needs-host',
  ),
  rule('address-space.host-pcide', implies(not(host64), equal(bits('HOST_CR4', 17), 0))),
  rule('address-space.host-fred', implies(not(host64), equal(bits('HOST_CR4', 32), 0))),
  rule('address-space.host-rip-32', implies(not(host64), equal(bits('HOST_RIP', 63, 32), 0))),
  rule('address-space.host-pae', implies(host64, isSet('HOST_CR4', 5))),
  rule('address-space.host-rip-canonical', implies(host64, isCanonical('HOST_RIP'))),
  rule('address-space.host-s-cet-32', implies(all(not(host64), loadsCet), equal(bits('HOST_S_CET', 63, 32), 0))),
  rule('address-space.host-ssp-32', implies(all(not(host64), loadsCet), equal(bits('HOST_SSP', 63, 32), 0))),
  rule('address-space.host-s-cet-canonical', implies(all(host64, loadsCet), isCanonical('HOST_S_CET'))),
  rule('address-space.host-ssp-canonical', implies(all(host64, loadsCet), isCanonical('HOST_SSP'))),
  rule('address-space.host-ssp-table-canonical', implies(loadsCet, isCanonical('HOST_INTR_SSP_TABLE'))),
]);

export const hostStateChecks = [...controlRegisterChecks, ...segmentChecks, ...addressSpaceChecks];
