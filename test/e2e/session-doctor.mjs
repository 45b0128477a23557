/** The command "Doctor" on a dump out of a kernel log: the report, the problems at their lines, and the dump mended. */

export const doctorSession = async ({ page, editor, step, lineOf }) => {
  const dump = 'vmcs-of-kvm.txt';
  const broken = 'attr=0x00089';
  const line = lineOf(dump, broken);
  const report = page.locator('.editor-instance').filter({ has: page.locator('[data-uri^="ringside-doctor:"]') });
  const reportShows = (text) => report.locator('.view-lines').filter({ hasText: text }).first().waitFor();

  await step('judges a dump', async () => {
    await editor.open(dump);
    await editor.runCommand('Ringside: Doctor');
    await editor.pick('haswell');
    await reportShows('rules is broken');
    await reportShows('GUEST_TR_AR_BYTES = 0x8b (type');
  });
  await step('marks problems at their lines', async () => {
    await page.locator('.view-overlays .squiggly-error').first().waitFor();
    await editor.press('Control+Shift+M');
    await page.locator('.markers-panel .monaco-list-row').filter({ hasText: 'guest.tr.type' }).first().click();
    await page.locator('[id="status.editor.selection"]').getByText(`Ln ${line},`).waitFor();
  });
  await step('follows what is mended in the dump', async () => {
    await editor.open(dump);
    await editor.replace(broken, 'attr=0x0008b');
    await page.locator('.markers-panel .monaco-list-row').first().waitFor({ state: 'hidden' });
    await reportShows('No rule that can be decided is broken');
  });
};
