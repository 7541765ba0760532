import { expect, test } from "vitest";
import { endOf, minutesUntil } from "../src/measures";

const NOW = Date.parse("2026-11-22T08:00:00+08:00");

test("a measure ends a minute before the longest at the latest", () => {
  expect(endOf("drill", NOW, 3_600_000) - NOW).toBe(3_600_000);
  expect(endOf("drill", NOW, 5 * 3_600_000) - NOW).toBe(4 * 3_600_000 - 60_000);
});

test("a drill lasts whole minutes, one at least and four hours at most", () => {
  expect(minutesUntil("2026-11-22T08:30:00+08:00", NOW)).toBe(30);
  expect(minutesUntil("2026-11-22T07:00:00+08:00", NOW)).toBe(1);
  expect(minutesUntil("2026-11-23T07:00:00+08:00", NOW)).toBe(240);
});
