/** The engine's reasons for refusing a move (rules/response.py) are English sentences; here each finds its words in both languages. */
import { STATES, type State } from "./answers";
import type { Key } from "./words";

export interface Refusal {
  key: Key;
  /** What stands in the sentence's places, as words of the dictionary. */
  words: Readonly<Record<string, Key>>;
}

const VERBS: Readonly<Record<string, Key>> = {
  acknowledge: "doAcknowledge",
  "on-scene": "doOnScene",
  resolve: "doResolve",
  reset: "doReset",
  close: "doClose",
};

const WHOLE: readonly [RegExp, Key][] = [
  [/^no such open incident/, "refusedGone"],
  [/^a note needs words/, "refusedNote"],
  [/^trouble of the system/, "refusedSystem"],
  [/^nothing to reset/, "refusedNothing"],
  [/^closing needs a disposition/, "refusedDisposition"],
];

/** Null for a reason that is not known here: it is then shown as it came. */
export function refusalOf(detail: string): Refusal | null {
  const whole = WHOLE.find(([pattern]) => pattern.test(detail));
  if (whole) return { key: whole[1], words: {} };
  const [, done = "", state = ""] = /^(\S+) is not possible while the incident is (\w+)/.exec(detail) ?? [];
  const verb = VERBS[done];
  if (verb && STATES.includes(state as State)) return { key: "refusedState", words: { verb, state: state as State } };
  const [, condition] = /^the alarm is still (active|latched)/.exec(detail) ?? [];
  if (condition) return { key: "refusedAlarm", words: { condition: condition as "active" | "latched" } };
  return null;
}
