import { expect, test } from 'vitest';
import { sentence } from '../../../src/debugger/doctor/sentence';
import { controlChecks, entryRules, guestChecks, hostStateChecks } from '../../../src/machine/vmx/checks';
import { manualEdition } from '../../../src/machine/vmx/checks/rule';
import { type Bullet, manualChecks } from './manual-checks';

const bullets = manualChecks.flatMap((section) => section.bullets);
const idsOf = ({ rules }: Bullet): string[] =>
  rules === undefined ? [] : entryRules.filter(({ id }) => rules.test(id)).map(({ id }) => id);

test.each(manualChecks)('$title: every bullet has a rule, or a reason why not', ({ bullets: own }) => {
  for (const bullet of own) expect(bullet.none !== undefined || idsOf(bullet).length > 0, bullet.says).toBe(true);
});

test('every rule belongs to a bullet of the section that it names', () => {
  for (const { id, section } of entryRules) {
    const titles = manualChecks.filter((one) => one.bullets.some((bullet) => bullet.rules?.test(id)));
    expect(
      titles.map(({ title }) => title),
      id,
    ).toContain(section);
  }
});

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** docs/vm-entry-checks.md; `vitest run -u` writes it. */
const page = (): string =>
  [
    '# Checks at VM entry',
    '',
    `Generated from the rules' tables (\`test/machine/vmx/rules-page.test.ts\`). Edition of the manual: ${manualEdition}.`,
    '',
    'The first part assigns what the manual lists, bullet by bullet, to rules; the second has every rule in words. All rules',
    'are there, also those of controls that the simulated processor does not allow: `ringside doctor` judges dumps of real ones.',
    '',
    row('stage', 'rules', 'check sites in Bochs'),
    row('---', '---', '---'),
    row('controls (VM-instruction error 7)', String(controlChecks.length), '65'),
    row('host state (VM-instruction error 8)', String(hostStateChecks.length), '35'),
    row('guest state (exit reason 33)', String(guestChecks.length), '92'),
    '',
    '## What the manual lists',
    ...manualChecks.flatMap(({ title, bullets: own }) => [
      '',
      `### ${title}`,
      '',
      row('check', 'rules'),
      row('---', '---'),
      ...own.map((bullet) => row(bullet.says, bullet.none === undefined ? listed(bullet) : `none: ${bullet.none}`)),
    ]),
    '',
    '## The rules in words',
    '',
    row('rule', 'section', 'says'),
    row('---', '---', '---'),
    ...entryRules.map(({ id, section, check }) => row(`\`${id}\``, section, sentence(check))),
    '',
  ].join('\n');

const MANY = 12;
const listed = (bullet: Bullet): string => {
  const ids = idsOf(bullet).map((id) => `\`${id}\``);
  return ids.length > MANY ? `${ids.slice(0, 2).join(', ')} … (${ids.length})` : ids.join(', ');
};

test('docs/vm-entry-checks.md is what the tables say', async () => {
  await expect(page()).toMatchFileSnapshot('../../../docs/vm-entry-checks.md');
});

test('the manual has more bullets than other implementations have check sites', () => {
  expect(bullets.length).toBeGreaterThan(192);
});
