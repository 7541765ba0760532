/** What a measure needs, and how long it may last (rules/suppression.py). Knows no view and no clock; milliseconds. */
import type { Kind, Measure, Rule } from "./answers";

const HOUR = 3_600_000;

interface Terms {
  longest: number;
  usual: number;
  /** Lengths to choose by one tap. */
  offers: readonly number[];
  /** Somebody must say what is done instead. */
  compensated: boolean;
  /** It may be taken for one device alone. */
  ofDevice: boolean;
}

export const TERMS: Readonly<Record<Measure, Terms>> = {
  shelved: { longest: 12 * HOUR, usual: HOUR, offers: [HOUR, 4 * HOUR, 12 * HOUR], compensated: false, ofDevice: true },
  test: { longest: 12 * HOUR, usual: HOUR, offers: [HOUR, 2 * HOUR, 4 * HOUR], compensated: false, ofDevice: true },
  works: { longest: 24 * HOUR, usual: 4 * HOUR, offers: [2 * HOUR, 4 * HOUR, 8 * HOUR], compensated: true, ofDevice: false },
  impaired: { longest: 720 * HOUR, usual: 24 * HOUR, offers: [8 * HOUR, 24 * HOUR, 168 * HOUR], compensated: true, ofDevice: true },
  drill: { longest: 4 * HOUR, usual: HOUR, offers: [HOUR, 2 * HOUR, 4 * HOUR], compensated: false, ofDevice: true },
};

/** A minute short of the longest, so that the time of filling in the form does not make it too long. */
export function endOf(measure: Measure, now: number, length: number): number {
  return now + Math.min(length, TERMS[measure].longest - 60_000);
}

/** Whole minutes from now until a moment as a form writes it, at least one and at most a drill's four hours. */
export function minutesUntil(until: string, now: number): number {
  return Math.min(240, Math.max(1, Math.round((Date.parse(until) - now) / 60_000)));
}

const SHELVABLE: ReadonlySet<Kind> = new Set(["SUPERVISORY", "FAULT"]);

/** Rules that may be shelved one by one: never a fire's or a prealarm's. */
export function shelvable(rules: Iterable<Rule>): Rule[] {
  return [...rules].filter((rule) => SHELVABLE.has(rule.kind)).sort((a, b) => a.id.localeCompare(b.id));
}
