/** What a person does while debugging in the workbench, and what they see. Each waits until it is so, or fails. */

/** Tries again until `seen` shows: the workbench drops what is pressed before it is ready for it. */
const insist = async (action, seen, attempts = 10) => {
  for (let attempt = 1; ; attempt++) {
    await action();
    try {
      return await seen.first().waitFor({ timeout: attempt < attempts ? 3_000 : 10_000 });
    } catch (error) {
      if (attempt === attempts) throw error;
    }
  }
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with an escape
const COLOUR = /\u001b\[[0-9;]*m/g;

const quoted = (text) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');

export const debuggingOn = (page) => {
  const toolbar = page.locator('.debug-toolbar');
  const variable = (start) => page.locator(`.debug-variables .monaco-list-row[aria-label^="${quoted(start)}"]`).first();
  return {
    toolbar,
    variable,

    async open(name) {
      const tab = page.locator(`.tab.active[data-resource-name="${name}"]`);
      const input = page.locator('.quick-input-widget:visible .quick-input-box input');
      await insist(async () => {
        await page.keyboard.press('Escape');
        await page.keyboard.press('Control+P');
        await input.waitFor();
        await input.fill(name);
        await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${name}"]`).first().click();
      }, tab);
    },

    showDebugView: () =>
      insist(
        () => page.locator('.activitybar .action-label[aria-label^="Run and Debug"]').first().click(),
        page.locator('.debug-viewlet, [id="workbench.view.debug"]'),
      ),

    /** Rows that are not in view do not exist: the Variables pane gets the room of others. */
    async collapse(...sections) {
      for (const section of sections) {
        const header = page.locator('.debug-pane, .pane').locator('.pane-header', { hasText: section }).first();
        if ((await header.getAttribute('aria-expanded')) === 'true') await header.click();
      }
    },

    /** Clicks beside the number of a line that is in view. */
    async clickGutter(line) {
      const number = page.locator('.margin-view-overlays .line-numbers').getByText(String(line), { exact: true });
      const box = await number.first().boundingBox();
      await page.mouse.click(box.x - 10, box.y + box.height / 2);
      await page.locator('.codicon-debug-breakpoint').first().waitFor();
    },

    /** F5 only opens the view as long as the extension host has not reported its debug types. */
    start: () => insist(() => page.keyboard.press('F5'), toolbar),

    async stoppedAtLine(line) {
      const marker = page.locator('.debug-top-stack-frame-line').first();
      await marker.waitFor();
      const status = page.locator('.editor-status-selection, [id="status.editor.selection"]').first();
      await status.getByText(`Ln ${line},`).waitFor();
    },

    /** What changed is coloured, and the label holds the codes of the colour. */
    shows: (name, value) =>
      page
        .locator(`.debug-variables .monaco-list-row[aria-label^="${name}, value "][aria-label*="${quoted(value)}"]`)
        .first()
        .waitFor(),

    async valueOf(name) {
      const label = await variable(`${name}, value `).getAttribute('aria-label');
      return label.slice(`${name}, value `.length).replaceAll(COLOUR, '');
    },

    /** After a stop the previous values stay in view for a moment. */
    async changedFrom(name, value) {
      const rows = '.debug-variables .monaco-list-row';
      const others = `:not([aria-label*="${quoted(value)}"])`;
      await page.locator(`${rows}[aria-label^="${name}, value "]${others}`).first().waitFor();
    },

    async setVariable(name, value) {
      const input = page.locator('.debug-variables .monaco-inputbox input');
      await variable(`${name}, value `).dblclick();
      await input.fill(value);
      await input.press('Enter');
      await input.waitFor({ state: 'hidden' });
      await page.mouse.move(760, 800);
    },

    callStackShows: (text) =>
      page.locator('.debug-call-stack .monaco-list-row').filter({ hasText: text }).first().waitFor(),

    consoleShows: (text) => page.locator('.repl .monaco-list-row').filter({ hasText: text }).first().waitFor(),

    press: (key) => page.keyboard.press(key),

    button: (name) => toolbar.locator(`.action-label[aria-label^="${name}"]`).first(),

    ended: () => toolbar.waitFor({ state: 'hidden' }),
  };
};
