import { expect, test } from "vitest";
import { csvStep, nextPath } from "../src/readings";
import { queryOf, rangeOf, spanOf } from "../src/ranges";
import { beginning, rankQuantities, stepFor, stepText, withGaps, type Point } from "../src/series";

const HOUR = 3_600_000;
const point = (at: number): Point => ({ at, mean: 1, min: null, max: null });

test("a step is wide enough, and the narrowest that is", () => {
  for (const hours of [1, 6, 24, 168, 720, 24 * 365]) {
    const step = stepFor(hours * HOUR);
    expect((hours * 3600) / step).toBeLessThanOrEqual(600);
    expect((hours * 3600) / step).toBeGreaterThan(50);
  }
  expect([90, 120, 7200, 86_400].map(stepText)).toEqual(["90s", "2m", "2h", "1d"]);
});

test("a silence breaks the line, a usual pause does not", () => {
  const steady = [0, 10_000, 20_000, 30_000].map(point);
  expect(withGaps(steady, null)).toEqual(steady);
  const broken = withGaps([...steady, point(300_000), point(310_000)], null);
  expect(broken.map(({ mean }) => mean)).toEqual([1, 1, 1, 1, null, 1, 1]);
  expect(withGaps([0, 60_000, 120_000, 360_000].map(point), 60).map(({ mean }) => mean)).toEqual([1, 1, 1, null, 1]);
  expect(withGaps([], null)).toEqual([]);
});

test("what the rules asked about is drawn first, the device's own condition last", () => {
  const names = ["rssi", "temperature", "battery", "smoke_density", "temperature"];
  expect(rankQuantities(names)).toEqual(["smoke_density", "temperature", "battery", "rssi"]);
  expect(rankQuantities(names, ["battery"])[0]).toBe("battery");
});

test("a range survives the address", () => {
  const now = Date.parse("2026-11-22T08:00:00Z");
  expect(spanOf(rangeOf(new URLSearchParams("range=6h")), now)).toEqual({ from: now - 6 * HOUR, to: now });
  expect(rangeOf(new URLSearchParams("range=nonsense"))).toEqual({ name: "1h" });
  expect(rangeOf(new URLSearchParams("from=20&to=10"))).toEqual({ name: "1h" });
  const custom = { name: "custom", from: now - HOUR, to: now } as const;
  expect(rangeOf(new URLSearchParams(queryOf(custom)))).toEqual(custom);
});

test("a CSV of many readings comes in steps that the API allows, a short one raw", () => {
  const span = { from: 0, to: 30 * 24 * HOUR };
  expect(csvStep(span, 10_000)).toBeNull();
  const step = csvStep(span, 5_000_000) ?? 0;
  expect((span.to - span.from) / 1000 / step).toBeLessThanOrEqual(10_000);
});

test("the next page of a CSV is found in the header Link", () => {
  expect(nextPath('</api/v1/readings?device=a%2Fb&from=2026>; rel="next"')).toBe("/readings?device=a%2Fb&from=2026");
  expect(nextPath('</api/v1/readings?x=1>; rel="prev"')).toBeUndefined();
  expect(nextPath(null)).toBeUndefined();
});

test("a chart of a young installation begins shortly before its first reading, never after what it is about", () => {
  const [from, about, to] = [0, 600_000, 700_000];
  const at = (...moments: number[]): Point[] => moments.map((it) => ({ at: it, mean: 1, min: null, max: null }));
  expect(beginning(from, about, to, at(500_000, 600_000))).toBe(494_000);
  expect(beginning(from, about, to, at(650_000))).toBe(595_000);
  expect(beginning(from, about, to, at(1000, 600_000))).toBe(0);
  expect(beginning(from, about, to, [])).toBe(595_000);
});
