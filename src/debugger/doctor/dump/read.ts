/** A dump of a VMCS, in whatever form it was found. */

import { readVmcsText, type VmcsText } from '../../vmcs/text';
import { isLog, isXen, readLog } from './log';

export interface Dump extends VmcsText {
  readonly form: 'KVM' | 'Xen' | 'text';
}

/** Without a single field it is no dump. */
export const readDump = (text: string): Dump => {
  if (!isLog(text)) return { form: 'text', ...readVmcsText(text) };
  return { form: isXen(text) ? 'Xen' : 'KVM', ...readLog(text) };
};
