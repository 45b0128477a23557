/** Calendar dates as numbers, for a clock that must not look at the host's: proleptic Gregorian, days since 1970. */

export interface CalendarDate {
  readonly year: number;
  /** 1–12; others carry into the year. */
  readonly month: number;
  /** 1–31; others carry into the month. */
  readonly day: number;
}

const daysPerEra = 146_097;
/** From 0000-03-01, where the algorithm's years begin, to 1970-01-01. */
const epoch = 719_468;

/** Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year. */
export function daysOf({ year, month, day }: CalendarDate): number {
  const months = year * 12 + (month - 3);
  const marchYear = Math.floor(months / 12);
  const marchMonth = months - marchYear * 12;
  const leaps = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leaps + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - epoch;
}

export function dateOf(days: number): CalendarDate {
  const shifted = days + epoch;
  const era = Math.floor(shifted / daysPerEra);
  const inEra = shifted - era * daysPerEra;
  const leapless = inEra - Math.floor(inEra / 1460) + Math.floor(inEra / 36_524) - Math.floor(inEra / (daysPerEra - 1));
  const marchYear = Math.floor(leapless / 365);
  const inYear = inEra - (marchYear * 365 + Math.floor(marchYear / 4) - Math.floor(marchYear / 100));
  const marchMonth = Math.floor((5 * inYear + 2) / 153);
  const day = inYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: era * 400 + marchYear + (month <= 2 ? 1 : 0), month, day };
}

/** 1 (Sunday) to 7, as the PC's clock counts; 1970-01-01 was a Thursday. */
export const weekdayOf = (days: number): number => ((((days + 4) % 7) + 7) % 7) + 1;
