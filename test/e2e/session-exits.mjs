/** A hypervisor and its guest: the filter "VM exit", the scope VMCS, a diff, and breakpoints on both sides. */

export const exitsSession = async ({ editor, step, lineOf }) => {
  const example = 'bitmaps.asm';
  const line = (text, behind) => lineOf(`vmx/${example}`, text, behind);
  const exit = line('mov [guest_rax], rax', 'exit:');

  await step('chooses VM exits with a condition', async () => {
    await editor.removeBreakpoints();
    await editor.open(example);
    await editor.filter('VM exit', true, 'reason == IO_INSTRUCTION && rax == 0x73');
  });
  await step('stops at a VM exit with reason, qualification and deciding bit', async () => {
    await editor.start();
    await editor.stoppedAtLine(line('mov ecx, 0x3a'));
    await editor.press('F5');
    await editor.stoppedAtLine(exit);
    await editor.exceptionShows('VM exit 30 IO_INSTRUCTION: OUT of 1 byte to port 0x3f8');
    await editor.exceptionShows('"use I/O bitmaps" (primary control bit 25) is 1');
    await editor.expand('Call Stack');
    await editor.callStackShows('root, 64-bit, ring 0');
    await editor.callStackShows('guest, 64-bit, ring 0');
  });
  await step('reads the scope VMCS', async () => {
    await editor.collapse('Watch', 'Call Stack');
    await editor.fold('Registers');
    await editor.unfold('VMCS');
    await editor.unfold('Exit information');
    await editor.shows('EXIT_QUALIFICATION', 'OUT of 1 byte to port 0x3f8');
    await editor.shows('VM_EXIT_REASON', 'IO_INSTRUCTION');
    await editor.expand('Call Stack');
  });
  await step('tells what changed in the VMCS', async () => {
    await editor.collapse('Call Stack');
    await editor.fold('Exit information');
    await editor.filter('VM exit', true, 'reason == IO_INSTRUCTION');
    await editor.press('F5');
    await editor.shows('rax', '0x74');
    await editor.say('vmcs diff');
    await editor.unfoldAnswer('since the last stop');
    await editor.consoleShows('GUEST_RFLAGS');
  });
  await step('asks why by a command', async () => {
    await editor.askWhy('Why did the last instruction exit, not exit, or fail?');
    await editor.consoleShows('instruction length: ');
  });
  await step('stops at breakpoints of the host and of the guest', async () => {
    await editor.filter('VM exit', false);
    const host = line('mov edx, EXIT_QUALIFICATION', 'io:');
    const guest = line('out dx, al', 'print:');
    for (const one of [host, guest]) {
      await editor.goToLine(one);
      await editor.clickGutter(one);
    }
    await editor.press('F5');
    await editor.stoppedAtLine(host);
    await editor.press('F5');
    await editor.stoppedAtLine(guest);
    await editor.expand('Call Stack');
    await editor.callStackShows('guest, 64-bit, ring 0');
    await editor.removeBreakpoints();
  });
  await step('sets a field and continues into a failed entry', async () => {
    await editor.filter('VM-instruction failure', true);
    await editor.fold('Registers');
    await editor.unfold('Execution controls');
    await editor.setVariable('CR3_TARGET_COUNT', '5');
    await editor.shows('CR3_TARGET_COUNT', '0x5');
    await editor.fold('Execution controls');
    await editor.press('F5');
    await editor.stoppedAtLine(line('jmp failed', 'vmresume'));
    await editor.exceptionShows('VM-instruction error 7');
    await editor.exceptionShows('control.cr3-target-count');
    await editor.shows('operation', 'VMX root operation');
  });
  await editor.stop();
};
