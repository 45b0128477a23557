/** Intel SDM vol. 3, "Checks on Guest Control Registers, Debug Registers, and MSRs", and on RIP and RFLAGS: exit 33. */

import { injectionTypes } from './exit-and-entry-controls';
import { fitsLinearWidth, fredRules, isCetState, isPat, suitsVmx } from './registers';
import { entryChecks, rule } from './rule';
import {
  all,
  any,
  bits,
  control,
  equal,
  implies,
  isCanonical,
  isClear,
  isPhysical,
  isSet,
  not,
  processor,
  same,
  within,
} from './tree';

export const guest64 = control('entry.ia-32e-mode-guest');
export const unrestricted = control('secondary.unrestricted-guest');
const PE_AND_PG = 0x8000_0001n;
/** NW and CD are never checked. */
const CACHE_BITS = 0x6000_0000n;
const protectedMode = isSet('GUEST_CR0', 0);
const paging = isSet('GUEST_CR0', 31);
const loadsDebug = control('entry.load-debug-controls');
const loadsEfer = control('entry.load-ia32-efer');
const loadsBounds = control('entry.load-ia32-bndcfgs');
const loadsCet = control('entry.load-cet-state');

export const guestControlRegisterChecks = entryChecks('Checks on Guest Control Registers, Debug Registers, and MSRs', [
  rule('guest.cr0.fixed', implies(not(unrestricted), suitsVmx('GUEST_CR0', 'CR0', CACHE_BITS))),
  rule('guest.cr0.fixed-unrestricted', implies(unrestricted, suitsVmx('GUEST_CR0', 'CR0', CACHE_BITS | PE_AND_PG))),
  rule('guest.cr0.pg-needs-pe', implies(paging, protectedMode), 'guest.cr0.fixed'),
  rule('guest.cr4.fixed', suitsVmx('GUEST_CR4', 'CR4')),
  rule('guest.cr4.cet-needs-wp', implies(isSet('GUEST_CR4', 23), isSet('GUEST_CR0', 16))),
  rule('guest.debugctl.reserved', implies(loadsDebug, within('GUEST_IA32_DEBUGCTL', processor('debugctl-bits')))),
  rule('guest.ia-32e-needs-paging', implies(guest64, paging), 'guest.cr0.fixed'),
  rule('guest.ia-32e-needs-pae', implies(guest64, isSet('GUEST_CR4', 5))),
  rule('guest.pcide-needs-ia-32e', implies(not(guest64), isClear('GUEST_CR4', 17))),
  rule('guest.fred-needs-ia-32e', implies(not(guest64), isClear('GUEST_CR4', 32))),
  rule('guest.cr3.width', isPhysical('GUEST_CR3')),
  rule('guest.dr7.high', implies(loadsDebug, equal(bits('GUEST_DR7', 63, 32), 0))),
  rule('guest.sysenter-esp.canonical', isCanonical('GUEST_SYSENTER_ESP')),
  rule('guest.sysenter-eip.canonical', isCanonical('GUEST_SYSENTER_EIP')),
  rule(
    'guest.perf-global-ctrl.reserved',
    implies(
      control('entry.load-ia32-perf-global-ctrl'),
      within('GUEST_IA32_PERF_GLOBAL_CTRL', processor('perf-global-ctrl-bits')),
    ),
  ),
  rule('guest.pat.types', implies(control('entry.load-ia32-pat'), isPat('GUEST_IA32_PAT'))),
  rule('guest.efer.reserved', implies(loadsEfer, within('GUEST_IA32_EFER', processor('efer-bits')))),
  rule('guest.efer.lma', implies(loadsEfer, same(isSet('GUEST_IA32_EFER', 10), guest64))),
  rule(
    'guest.efer.lme',
    implies(all(loadsEfer, paging), same(isSet('GUEST_IA32_EFER', 10), isSet('GUEST_IA32_EFER', 8))),
  ),
  rule('guest.bndcfgs.reserved', implies(loadsBounds, equal(bits('GUEST_BNDCFGS', 11, 2), 0))),
  rule('guest.bndcfgs.canonical', implies(loadsBounds, isCanonical('GUEST_BNDCFGS'))),
  rule(
    'guest.rtit-ctl.reserved',
    implies(control('entry.load-ia32-rtit-ctl'), within('GUEST_IA32_RTIT_CTL', processor('rtit-ctl-bits'))),
  ),
  rule('guest.s-cet', implies(loadsCet, isCetState('GUEST_S_CET'))),
  rule('guest.s-cet.canonical', implies(loadsCet, isCanonical('GUEST_S_CET'))),
  rule('guest.ssp-table.canonical', implies(loadsCet, isCanonical('GUEST_INTR_SSP_TABLE'))),
  rule('guest.pkrs.reserved', implies(control('entry.load-pkrs'), equal(bits('GUEST_IA32_PKRS', 63, 32), 0))),
  rule('guest.uinv.reserved', implies(control('entry.load-uinv'), equal(bits('GUEST_UINV', 15, 8), 0))),
  rule(
    'guest.lbr-ctl.reserved',
    implies(control('entry.load-guest-ia32-lbr-ctl'), within('GUEST_IA32_LBR_CTL', processor('lbr-ctl-bits'))),
  ),
  ...fredRules('guest.fred', 'GUEST', control('entry.load-ia32-fred')),
  rule(
    'guest.spec-ctrl.reserved',
    implies(control('entry.load-ia32-spec-ctrl'), within('GUEST_IA32_SPEC_CTRL', processor('spec-ctrl-bits'))),
  ),
]);

const code64 = isSet('GUEST_CS_AR_BYTES', 13);
const injectsInterrupt = all(
  isSet('VM_ENTRY_INTR_INFO_FIELD', 31),
  equal(bits('VM_ENTRY_INTR_INFO_FIELD', 10, 8), injectionTypes.externalInterrupt),
);

export const guestPointerChecks = entryChecks('Checks on Guest RIP, RFLAGS, and SSP', [
  rule('guest.rip.32', implies(any(not(guest64), not(code64)), equal(bits('GUEST_RIP', 63, 32), 0))),
  rule('guest.rip.width', implies(all(guest64, code64), fitsLinearWidth('GUEST_RIP'))),
  rule(
    'guest.rflags.reserved',
    all(
      equal(bits('GUEST_RFLAGS', 63, 22), 0),
      isClear('GUEST_RFLAGS', 15),
      isClear('GUEST_RFLAGS', 5),
      isClear('GUEST_RFLAGS', 3),
      isSet('GUEST_RFLAGS', 1),
    ),
  ),
  rule('guest.rflags.vm', implies(any(guest64, not(protectedMode)), isClear('GUEST_RFLAGS', 17))),
  rule('guest.rflags.if-for-interrupt', implies(injectsInterrupt, isSet('GUEST_RFLAGS', 9))),
  rule('guest.ssp.aligned', implies(loadsCet, equal(bits('GUEST_SSP', 1, 0), 0))),
  rule('guest.ssp.width', implies(loadsCet, fitsLinearWidth('GUEST_SSP'))),
]);
