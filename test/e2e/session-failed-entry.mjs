/** A VMCS with three mistakes: the entry fails, and the doctor says which, who wrote them, and what would be right. */

export const failedEntrySession = async ({ editor, step, lineOf }) => {
  await step('reads the report of a failed entry', async () => {
    await editor.open('broken.asm');
    await editor.filter('VM-instruction failure', true);
    await editor.start();
    await editor.stoppedAtLine(lineOf('vmx/broken.asm', 'mov ecx, 0x3a'));
    await editor.press('F5');
    await editor.stoppedAtLine(lineOf('vmx/broken.asm', 'jc failed', 'vmlaunch'));
    await editor.exceptionShows('VM-instruction error 7: VM entry with invalid control field(s)');
    await editor.exceptionShows('CR3_TARGET_COUNT (0x5) must be at most');
    await editor.consoleShows('All together: CR3_TARGET_COUNT = 0x4');
  });
  await step('mends it and enters', async () => {
    for (const edit of ['CR3_TARGET_COUNT = 4', 'HOST_TR_SELECTOR = 8', 'GUEST_INTERRUPTIBILITY_STATE = 0', 'doctor'])
      await editor.say(edit);
    await editor.consoleShows('No rule is broken');
  });
  await editor.stop();
};
