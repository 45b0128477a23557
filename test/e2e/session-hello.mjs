/** One debugging session with an example, then one with a guest that never ends. */

import assert from 'node:assert/strict';

export const helloSession = async ({ page, editor, step, lineOf }) => {
  const breakpoint = lineOf('hello.asm', '[rel console_text]');

  await step('opens an example', () => editor.open('hello.asm'));
  await step('sets a breakpoint in the gutter', async () => {
    await editor.showDebugView();
    await editor.widenSidebar(440);
    await editor.open('hello.asm');
    await editor.clickGutter(breakpoint);
  });
  await step('starts and stops at the breakpoint', async () => {
    await editor.start();
    await editor.stoppedAtLine(breakpoint);
  });
  await step('reads a register', async () => {
    await editor.callStackShows('64-bit, ring 0');
    await editor.collapse('Watch', 'Call Stack', 'Breakpoints');
    await editor.consoleShows('Hello from the serial port.');
    assert.match(await editor.valueOf('rip'), /^0x[0-9a-f]+/);
  });
  await step('sets a register', async () => {
    await editor.setVariable('rbx', '0x123456789abcdef0');
    await editor.shows('rbx', '0x123456789abcdef0');
  });
  await step('steps', async () => {
    const before = await editor.valueOf('rip');
    await editor.press('F10');
    await editor.stoppedAtLine(lineOf('hello.asm', 'lodsb'));
    await editor.changedFrom('rip', before);
    await editor.shows('rbx', '0x123456789abcdef0');
  });
  await step('shows what the guest writes', async () => {
    await editor.press('F5');
    await editor.consoleShows('Hello from the debug console.');
    await editor.ended();
  });
  await step('starts a guest that never ends', async () => {
    await editor.open('spin.asm');
    await editor.start();
    await editor.stoppedAtLine(lineOf('spin.asm', 'xor'));
    await editor.press('F5');
    await editor.button('Pause').waitFor();
  });
  await step('pauses it', async () => {
    await page.waitForTimeout(1_000); // a guest at full speed
    await editor.press('F6');
    await editor.button('Continue').waitFor();
    await page.locator('.debug-top-stack-frame-line').first().waitFor();
    assert.ok(BigInt((await editor.valueOf('rax')).split(' ')[0]) > 1_000_000n);
  });
  await step('ends it', async () => {
    await editor.press('Shift+F5');
    await editor.ended();
  });
};
