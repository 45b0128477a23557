/** What a person does while debugging in the workbench, and what they see. Each waits until it is so, or fails. */

/** Tries again until `seen` shows: the workbench drops what is pressed before it is ready for it. */
const insist = async (action, seen, { attempts = 10, patience = 3_000 } = {}) => {
  for (let attempt = 1; ; attempt++) {
    await action();
    try {
      return await seen.first().waitFor({ timeout: attempt < attempts ? patience : 10_000 });
    } catch (error) {
      if (attempt === attempts) throw error;
    }
  }
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with an escape
const COLOUR = /\u001b\[[0-9;]*m/g;

const enter = async (input, text) => {
  await input.fill(text);
  await input.press('Enter');
  await input.waitFor({ state: 'hidden' });
};

const quoted = (text) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');

export const debuggingOn = (page) => {
  const toolbar = page.locator('.debug-toolbar');
  const variable = (start) => page.locator(`.debug-variables .monaco-list-row[aria-label^="${quoted(start)}"]`).first();
  const quickInput = page.locator('.quick-input-widget:visible .quick-input-box input');
  /** A row is a fold with or without a value. */
  const foldable = (name) => {
    const row = '.debug-variables .monaco-list-row';
    return page.locator(`${row}[aria-label="Scope ${name}"], ${row}[aria-label^="${quoted(name)}, value "]`).first();
  };
  const setFold = async (name, open) => {
    const row = foldable(name);
    await row.waitFor();
    if ((await row.getAttribute('aria-expanded')) === String(open)) return;
    await insist(
      () => row.locator('.monaco-tl-twistie').click(),
      page.locator(`.debug-variables .monaco-list-row[aria-expanded="${open}"]`).and(row),
    );
  };
  const runCommand = async (title) => {
    await page.keyboard.press('F1');
    await quickInput.waitFor();
    await quickInput.fill(`>${title}`);
    await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).first().click();
  };
  const setSections = async (sections, open) => {
    for (const section of sections) {
      const header = page.locator('.debug-pane, .pane').locator('.pane-header', { hasText: section }).first();
      // Without a session some are not there.
      if ((await header.count()) > 0 && (await header.getAttribute('aria-expanded')) !== String(open))
        await header.click();
    }
  };
  const askWhy = async (question) => {
    await runCommand('Ringside: Why?');
    await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${question}"]`).first().click();
  };
  /** Rows that are not in view do not exist: a pane gets the room of others. */
  const collapse = (...sections) => setSections(sections, false);
  const expand = (...sections) => setSections(sections, true);
  /** The Breakpoints pane has many rows, exceptions first. */
  const withBreakpoints = async (action) => {
    await collapse('Variables', 'Watch', 'Call Stack');
    await expand('Breakpoints');
    await action();
    await collapse('Breakpoints');
    await expand('Variables');
  };
  let started = false;
  const ended = () => toolbar.waitFor({ state: 'hidden' });
  return {
    toolbar,
    variable,

    async open(name) {
      const tab = page.locator(`.tab.active[data-resource-name="${name}"]`);
      await insist(async () => {
        await page.keyboard.press('Escape');
        await page.keyboard.press('Control+P');
        await quickInput.waitFor();
        await quickInput.fill(name);
        await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${name}"]`).first().click();
      }, tab);
    },

    showDebugView: () =>
      insist(
        () => page.locator('.activitybar .action-label[aria-label^="Run and Debug"]').first().click(),
        page.locator('.debug-viewlet, [id="workbench.view.debug"]'),
      ),

    collapse,
    expand,

    /** Room for the names of VMCS fields. */
    async widenSidebar(width) {
      const { x, width: before } = await page.locator('.part.sidebar').boundingBox();
      await page.mouse.move(x + before + 1, 400);
      await page.mouse.down();
      await page.mouse.move(x + width, 400, { steps: 4 });
      await page.mouse.up();
    },

    async goToLine(line) {
      await page.keyboard.press('Control+G');
      await quickInput.waitFor();
      await quickInput.fill(`:${line}`);
      await quickInput.press('Enter');
    },

    runCommand,

    async pick(label) {
      await page.locator(`.quick-input-list .monaco-list-row[aria-label^="${label}"]`).first().click();
    },

    /** Ticks or unticks an exception filter in the Breakpoints pane, and gives it a condition. */
    filter: (label, on, condition) =>
      withBreakpoints(async () => {
        const row = page.locator(`.debug-breakpoints .monaco-list-row[aria-label^="${label}"]`).first();
        await row.waitFor();
        if ((await row.getAttribute('aria-checked')) !== String(on)) await row.locator('.monaco-checkbox').click();
        if (condition === undefined) return;
        await row.hover();
        await row.locator('.codicon-edit').click();
        await enter(page.locator('.debug-breakpoints .monaco-inputbox input'), condition);
      }),

    /** A function breakpoint takes names of functions, addresses and events. */
    functionBreakpoint: (text) =>
      withBreakpoints(async () => {
        await page.locator('.pane-header', { hasText: 'Breakpoints' }).first().hover();
        await page.locator('.pane-header .action-label[aria-label^="Add Function Breakpoint"]').click();
        await enter(page.locator('.debug-breakpoints .monaco-inputbox input').first(), text);
      }),

    /** An entry of the menu of a variable, by a click with the other button; a menu that has just opened ignores clicks. */
    async variableMenu(name, entry) {
      const menu = page.locator('.monaco-menu');
      await variable(`${name}, value `).click({ button: 'right' });
      for (let open = true; open; open = await menu.isVisible()) {
        await menu.locator('.action-label', { hasText: entry }).first().click();
        await menu.waitFor({ state: 'hidden', timeout: 2_000 }).catch(() => {});
      }
    },

    breakpointShows: (text) =>
      withBreakpoints(() =>
        page.locator('.debug-breakpoints .monaco-list-row').filter({ hasText: text }).first().waitFor(),
      ),

    /** Types a line into the debug console. */
    async say(text) {
      await page.locator('.repl-input-wrapper .monaco-editor').first().click();
      await page.keyboard.type(text);
      await page.keyboard.press('Enter');
    },

    askWhy,

    /** Beside the title of the call stack stands why it stopped. */
    callStackHeader: (text) =>
      page.locator('.pane-header', { hasText: 'Call Stack' }).filter({ hasText: text }).first().waitFor(),

    removeBreakpoints: () => runCommand('Remove All Breakpoints'),

    /** Replaces a text in the open editor, once. */
    async replace(from, to) {
      await page.keyboard.press('Control+H');
      const widget = page.locator('.find-widget.visible');
      await widget.locator('.find-part textarea').first().fill(from);
      await widget.locator('.replace-part textarea').first().fill(to);
      await page.keyboard.press('Control+Alt+Enter');
      await page.keyboard.press('Escape');
    },

    /** Opens the last answer of the console. */
    unfoldAnswer: (text) =>
      page.locator('.repl .monaco-list-row').filter({ hasText: text }).last().locator('.monaco-tl-twistie').click(),

    /** The widget in the editor that tells why an exception or event stopped. */
    exceptionShows: (text) => page.locator('.exception-widget').filter({ hasText: text }).first().waitFor(),

    unfold: (name) => setFold(name, true),
    fold: (name) => setFold(name, false),

    /** Clicks beside the number of a line that is in view. */
    async clickGutter(line) {
      const number = page.locator('.margin-view-overlays .line-numbers').getByText(String(line), { exact: true });
      const box = await number.first().boundingBox();
      await page.mouse.click(box.x - 10, box.y + box.height / 2);
      await page.locator('.codicon-debug-breakpoint').first().waitFor();
    },

    /** The first F5 only opens the view if the extension host has not reported its debug types; a second would continue. */
    async start() {
      await insist(() => page.keyboard.press('F5'), toolbar, { patience: started ? 15_000 : 3_000 });
      started = true;
    },

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
      await variable(`${name}, value `).dblclick();
      await enter(page.locator('.debug-variables .monaco-inputbox input'), value);
      await page.mouse.move(760, 800);
    },

    callStackShows: (text) =>
      page.locator('.debug-call-stack .monaco-list-row').filter({ hasText: text }).first().waitFor(),

    consoleShows: (text) => page.locator('.repl .monaco-list-row').filter({ hasText: text }).first().waitFor(),

    press: (key) => page.keyboard.press(key),

    button: (name) => toolbar.locator(`.action-label[aria-label^="${name}"]`).first(),

    ended,

    async stop() {
      await page.keyboard.press('Shift+F5');
      await ended();
    },
  };
};
