/**
 * Between the current VMCS and the processor's state, as VM entries and exits move them: sixty fields at each, and nothing
 * to decide. Called by machine/vmx, which does all the rest.
 */

import { access } from '../../x86/descriptors';
import { state, vmcsSlot } from './layout';
import { CS, DS, ES, FS, GS, LDTR, SS, TR } from './state';
import { get32, get64, set32, set64 } from './state-words';
import { type Copy, guestArea, hostArea, pdpteArea, savedCr0 } from './vmcs-areas';
import { type Expr, getLocal, i32, i64, type Module, ret, select, setLocal, when } from './wasm';

export interface VmcsTransfers {
  /** What differs is written and stamped: step and writer by halves, and RIP as the state has it. */
  saveGuest(stampLow: number, stampHigh: number): void;
  savePdptes(stampLow: number, stampHigh: number): void;
  loadGuest(): void;
  loadPdptes(): void;
  /** The hidden parts as well. `long`: to 64-bit mode. */
  loadHost(long: number): void;
}

const c = i32.const;
const ofState = ({ at, bytes }: Copy): Expr => (bytes === 8 ? get64(at) : i64.extendU(get32(at)));
const fieldOffset = ({ field }: Copy): number => vmcsSlot.fields + field * 8;

export const vmcsTransfers = (module: Module): void => {
  saveFunction(module, 'saveGuest', [...guestArea, savedCr0]);
  saveFunction(module, 'savePdptes', pdpteArea);
  loadFunction(module, 'loadGuest', guestArea);
  loadFunction(module, 'loadPdptes', pdpteArea);
  hostFunction(module);
};

const saveFunction = (module: Module, name: string, area: readonly Copy[]): void => {
  const func = module.function(name, ['i32', 'i32'], 'void', true);
  const local = func.local('i32');
  const held = func.local('i64');
  const slot = getLocal(local, 'i32');
  const value = getLocal(held, 'i64');
  const save = (copy: Copy): Expr[] => {
    const mark = vmcsSlot.changed + (copy.field >>> 5) * 4;
    const stamp = vmcsSlot.writers + copy.field * 16;
    return [
      setLocal(held, ofState(copy)),
      when(i64.ne(value, i64.load(slot, fieldOffset(copy))), [
        i64.store(slot, value, fieldOffset(copy)),
        i32.store(slot, i32.or(i32.load(slot, mark), c((1 << (copy.field & 31)) | 0)), mark),
        i32.store(slot, func.parameter(0), stamp),
        i32.store(slot, func.parameter(1), stamp + 4),
        i64.store(slot, get64(state.rip), stamp + 8),
      ]),
    ];
  };
  func.body = [setLocal(local, get32(state.vmcsSlot)), ...area.flatMap(save), ret()];
};

const load = (copy: Copy, slot: Expr): Expr =>
  copy.bytes === 8
    ? set64(copy.at, i64.load(slot, fieldOffset(copy)))
    : set32(copy.at, i32.load(slot, fieldOffset(copy)));

const loadFunction = (module: Module, name: string, area: readonly Copy[]): void => {
  const func = module.function(name, [], 'void', true);
  const local = func.local('i32');
  const slot = getLocal(local, 'i32');
  func.body = [setLocal(local, get32(state.vmcsSlot)), ...area.map((copy) => load(copy, slot)), ret()];
};

/** Accessed and present; code execute/read 11, data read/write 3, busy TSS 11. */
const CODE = 0x809b;
const DATA = 0xc093;
const BUSY_TSS = 0x8b;

/** Intel SDM vol. 3, "Loading Host Segment and Descriptor-Table Registers". */
const hostFunction = (module: Module): void => {
  const func = module.function('loadHost', ['i32'], 'void', true);
  const local = func.local('i32');
  const slot = getLocal(local, 'i32');
  const hidden = (index: number, limit: number, rights: Expr): Expr[] => [
    set32(state.segmentLimit + index * 4, c(limit)),
    set32(state.segmentAccess + index * 4, rights),
  ];
  const selector = (index: number): Expr => get32(state.segmentSelector + index * 4);
  func.body = [
    setLocal(local, get32(state.vmcsSlot)),
    ...hostArea.map((copy) => load(copy, slot)),
    ...hidden(CS, -1, select(func.parameter(0), c(CODE | access.long), c(CODE | access.big))),
    ...[ES, SS, DS, FS, GS].flatMap((index) =>
      hidden(index, -1, select(selector(index), c(DATA), c(DATA | access.unusable))),
    ),
    ...hidden(TR, 0x67, c(BUSY_TSS)),
    ...hidden(LDTR, 0, c(access.unusable)),
    set32(state.segmentSelector + LDTR * 4, c(0)),
    ...[ES, CS, SS, DS, LDTR].map((index) => set64(state.segmentBase + index * 8, i64.const(0))),
    set32(state.gdtrLimit, c(0xffff)),
    set32(state.idtrLimit, c(0xffff)),
    ret(),
  ];
};
