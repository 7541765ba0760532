import { expect, test } from "vitest";
import type { Quantity } from "../src/answers";
import { age, countdown, isIdle, moment, number, span, value } from "../src/format";

const words = { yes: "是", no: "否" };

test("time left never shows zero before it is over, time over never runs ahead", () => {
  expect(countdown(249_000, "up")).toBe("04:09");
  expect(countdown(1, "up")).toBe("00:01");
  expect(countdown(0, "up")).toBe("00:00");
  expect(countdown(999, "down")).toBe("00:00");
  expect(countdown(61_000, "down")).toBe("01:01");
  expect(countdown(3_849_000, "up")).toBe("1:04:09");
  expect(countdown(-5, "up")).toBe("00:00");
});

test("spans and ages in both languages", () => {
  expect(span(400, "zh")).toBe("<1 秒");
  expect(span(72_000, "zh")).toBe("1 分 12 秒");
  expect(span(7_500_000, "en")).toBe("2 h 5 min");
  expect(span(86_400_000 * 3, "zh")).toBe("3 天");
  expect(age(500, "zh")).toBe("刚刚");
  expect(age(12_900, "zh")).toBe("12 秒前");
  expect(age(180_000, "en")).toBe("3 min ago");
  expect(age(86_400_000 * 2, "zh")).toBe("2 天前");
  expect(age(-3000, "en")).toBe("just now");
});

test("a moment names its day only where it is not today, its year only where it is not this one", () => {
  const now = new Date(2026, 10, 22, 12).getTime();
  expect(moment(new Date(2026, 10, 22, 8, 1, 2).getTime(), now)).toBe("08:01:02");
  expect(moment(new Date(2026, 10, 21, 8, 1, 2).getTime(), now)).toBe("11-21 08:01:02");
  expect(moment(new Date(2025, 0, 2, 8, 1, 2).getTime(), now)).toBe("2025-01-02 08:01:02");
});

test("numbers have the digits that mean something", () => {
  expect([0.3124, 5.678, 24.64, 1034.2, 0, -12.34].map(number)).toEqual(["0.312", "5.68", "24.6", "1034", "0", "-12.3"]);
});

test("values have their unit, flags their word", () => {
  const quantity = (unit: string, kind: Quantity["kind"]): Quantity => ({ name: "q", unit, kind, zh: "", en: "" });
  expect(value(0.31, quantity("dB/m", "number"), words)).toBe("0.31 dB/m");
  expect(value(97, quantity("%", "number"), words)).toBe("97%");
  expect(value(true, quantity("", "flag"), words)).toBe("是");
  expect(value(0, quantity("", "flag"), words)).toBe("否");
  expect(value("ebike", quantity("", "text"), words)).toBe("ebike");
  expect(value(3, undefined, words)).toBe("3");
  const idle = [false, 0, true, 1].map((it) => isIdle(it, quantity("", "flag")));
  expect(idle).toEqual([true, true, false, false]);
  expect([0, "", null].map((it) => isIdle(it, quantity("%", "number")))).toEqual([false, false, false]);
});
