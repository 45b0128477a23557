/** An event as a function breakpoint, a page fault with its reason, a data breakpoint on a register, and what scopes show. */

export const eventsSession = async ({ editor, step, lineOf }) => {
  const lineBehind = (text) => lineOf('paging.asm', text) + 1;

  await step('starts at the first instruction', async () => {
    await editor.open('paging.asm');
    await editor.start();
    await editor.stoppedAtLine(lineOf('paging.asm', 'mov', 'start:'));
  });
  await step('breaks on an event', async () => {
    await editor.functionBreakpoint('cr3:w');
    await editor.expand('Call Stack');
    await editor.press('F5');
    await editor.stoppedAtLine(lineBehind('mov     cr3, rax') + 2);
    await editor.callStackHeader('Paused on cr3');
  });
  await step('breaks on a page fault and tells why', async () => {
    await editor.filter('#PF', true);
    await editor.press('F5');
    await editor.stoppedAtLine(lineOf('paging.asm', 'faults once for each page'));
    await editor.exceptionShows('supervisor write, page not present; CR2 0x40000000');
    await editor.filter('#PF', false);
  });
  await step('unfolds scopes', async () => {
    await editor.fold('Registers');
    await editor.unfold('Flags');
    await editor.shows('if', '0');
    await editor.fold('Flags');
    await editor.unfold('Paging');
    await editor.shows('mode', '4-level');
  });
  await step('breaks when a register changes', async () => {
    await editor.unfold('Registers');
    await editor.variableMenu('rbx', 'Break on Value Change');
    await editor.breakpointShows('rbx');
    await editor.press('F5');
    await editor.stoppedAtLine(lineBehind('add     ebx, 0x1000'));
    await editor.shows('rbx', '0x40001000');
  });
  await editor.stop();
};
