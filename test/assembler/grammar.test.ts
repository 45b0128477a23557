import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Rule {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly include?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
  readonly patterns?: readonly Rule[];
}

const grammar = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../syntaxes/ringside-asm.tmLanguage.json'), 'utf8'),
) as { readonly scopeName: string; readonly patterns: readonly Rule[]; readonly repository: Record<string, Rule> };

const flatten = (rules: readonly Rule[]): readonly Rule[] =>
  rules.flatMap((rule) => {
    if (rule.include !== undefined) return flatten([grammar.repository[rule.include.slice(1)] ?? {}]);
    return rule.match === undefined && rule.begin === undefined ? flatten(rule.patterns ?? []) : [rule];
  });

const compile = (source: string): RegExp =>
  source.startsWith('(?i)') ? new RegExp(source.slice(4), 'dgi') : new RegExp(source, 'dg');

/** As an editor does it: at each place the earliest match, and among those the first rule. */
function scopes(line: string): string[] {
  const rules = flatten(grammar.patterns);
  const found: string[] = [];
  for (let position = 0; position < line.length; ) {
    let best: { match: RegExpExecArray; rule: Rule } | undefined;
    for (const rule of rules) {
      const pattern = compile(rule.match ?? `${rule.begin}[^${rule.begin}]*(?:${rule.begin}|$)`);
      pattern.lastIndex = position;
      const match = pattern.exec(line);
      if (match !== null && match[0] !== '' && (best === undefined || match.index < best.match.index))
        best = { match, rule };
    }
    if (best === undefined) break;
    const { match, rule } = best;
    const add = (text: string | undefined, name: string | undefined): void => {
      if (text !== undefined && name !== undefined) found.push(`${text} ${name.replace('.ringside-asm', '')}`);
    };
    add(rule.captures === undefined ? match[0] : undefined, rule.name);
    for (const [group, { name }] of Object.entries(rule.captures ?? {})) add(match[Number(group)], name);
    position = match.index + match[0].length;
  }
  return found;
}

test.each([
  [
    'start: mov eax, [ebx + 4*ecx] ; why',
    [
      'start entity.name.function',
      ': punctuation.separator',
      'mov keyword.mnemonic',
      'eax variable.language.register',
      'ebx variable.language.register',
      '+ keyword.operator',
      '4 constant.numeric',
      '* keyword.operator',
      'ecx variable.language.register',
      '; why comment.line.semicolon',
    ],
  ],
  [
    "text: db 'a;b', 0x1F",
    [
      'text entity.name.function',
      ': punctuation.separator',
      'db storage.type',
      "'a;b' string.quoted.single",
      '0x1F constant.numeric',
    ],
  ],
  [
    'SIZE equ $ - $$',
    [
      'SIZE entity.name.function',
      'equ keyword.control',
      '$ constant.numeric',
      '- keyword.operator',
      '$$ constant.numeric',
    ],
  ],
  ['    REP MOVSB', ['REP keyword.other.prefix', 'MOVSB keyword.mnemonic']],
  ['  jmp .loop', ['jmp keyword.mnemonic', '.loop variable.other.label']],
  ['  bits 64', ['bits keyword.control', '64 constant.numeric']],
  ['%define X 1', ['%define keyword.control.directive', '1 constant.numeric']],
  [
    '  mov word [es:di], 5',
    [
      'mov keyword.mnemonic',
      'word storage.modifier',
      'es variable.language.register',
      ': keyword.operator',
      'di variable.language.register',
      '5 constant.numeric',
    ],
  ],
  [
    '  vaddps zmm1{k1}{z}, zmm2',
    [
      'vaddps keyword.mnemonic',
      'zmm1 variable.language.register',
      '{k1} storage.modifier',
      '{z} storage.modifier',
      'zmm2 variable.language.register',
    ],
  ],
])('%s', (line, expected) => {
  expect(scopes(line)).toEqual(expected);
});

test('the scope is the one the language is contributed with', () => {
  expect(grammar.scopeName).toBe('source.ringside-asm');
});
