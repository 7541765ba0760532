import { expect, test } from "vitest";
import type { Entry } from "../src/answers";
import { hopsOf } from "../src/hops";
import { at, incident, RAISED } from "./incidents";

const entry = (seconds: number, step: string): Entry => ({ id: seconds, at: at(seconds), incident: "inc-000001", step, detail: {} });
const now = (seconds: number): number => RAISED + seconds * 1000;

const seen = (...given: Parameters<typeof hopsOf>): [string, number, boolean][] =>
  hopsOf(...given).map(({ hop, took, running }) => [hop, took / 1000, running]);

const sensed = { measured_at: at(-11), sensed_at: at(-10) };

test("each hop ends where the next begins, and the last one runs until somebody takes it on", () => {
  const raised = [entry(0, "raised")];
  expect(seen(incident(sensed), raised, now(2))).toEqual([
    ["device", 1, false],
    ["rule", 10, false],
    ["push", 2, true],
  ]);
  const dispatched = { ...sensed, state: "dispatched", dispatched_at: at(3) } as const;
  expect(seen(incident(dispatched), raised, now(8)).slice(2)).toEqual([
    ["push", 3, false],
    ["human", 5, true],
  ]);
  const taken = { ...dispatched, state: "acknowledged", acknowledged_at: at(40) } as const;
  expect(seen(incident(taken), raised, now(999)).slice(2)).toEqual([
    ["push", 3, false],
    ["human", 37, false],
  ]);
});

test("a device without a clock, or with one that is ahead, says nothing of itself", () => {
  const raised = [entry(0, "raised")];
  for (const measured_at of [null, at(60)]) {
    expect(seen(incident({ ...sensed, measured_at }), raised, now(0)).map(([hop]) => hop)).toEqual(["rule", "push"]);
  }
});

test("after a re-alarm what the first alarm took counts no more", () => {
  const again = incident({ ...sensed, state: "dispatched", dispatched_at: at(602) });
  expect(seen(again, [entry(0, "raised"), entry(600, "realarm")], now(610))).toEqual([
    ["push", 2, false],
    ["human", 8, true],
  ]);
});

test("while the evidence was in doubt, it was the rule that waited", () => {
  const proven = incident({ ...sensed, state: "dispatched", dispatched_at: at(31) });
  const timeline = [entry(0, "raised"), entry(30, "confirmed")];
  expect(seen(proven, timeline, now(31)).slice(1)).toEqual([
    ["rule", 40, false],
    ["push", 1, false],
    ["human", 0, true],
  ]);
});

test("nothing where nobody is sent; who took it on before any provider had taken a call had all of the time", () => {
  const raised = [entry(0, "raised")];
  const nobody = [{ withheld: "sup-000001" }, { lead: "inc-000002" }, { suspected: true }, { dispatch_due_at: null }];
  for (const more of nobody) expect(hopsOf(incident(more), raised, now(5))).toEqual([]);
  const alone = incident({ state: "acknowledged", acknowledged_at: at(4) });
  expect(seen(alone, raised, now(99))).toEqual([["human", 4, false]]);
});
