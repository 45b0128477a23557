/** A rule of the manual as a row: what a `Reason` names. Words for people are made from it in one place, at the edge. */
export interface Rule {
  /** Manual and title of the section (numbers drift between editions). */
  readonly section: string;
  /** The rule as one sentence, in the present tense. */
  readonly says: string;
}

export type RuleTable = Readonly<Record<string, Rule>>;
