import { expect, test } from "vitest";
import { inBoth } from "../src/languages";
import { href, parse } from "../src/router";
import { CHANNEL_KINDS, DEVICE_KINDS, TROUBLES, WORDS } from "../src/words";

const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test("both languages say something, and have the same places for values", () => {
  for (const [key, [zh, en]] of Object.entries({ ...WORDS, ...DEVICE_KINDS, ...CHANNEL_KINDS, ...TROUBLES })) {
    expect(zh.trim(), key).not.toBe("");
    expect(en.trim(), key).not.toBe("");
    expect(holes(zh), key).toEqual(holes(en));
  }
});

test("one sentence in each language is told apart by its script, anything else is left whole", () => {
  const reason = "警情当前已派单，不能执行此操作。The incident is dispatched: close is not possible now.";
  expect(inBoth(reason)).toEqual({
    zh: "警情当前已派单，不能执行此操作。",
    en: "The incident is dispatched: close is not possible now.",
  });
  expect(inBoth("没有这起未结案的警情。There is no such open incident.").zh).toBe("没有这起未结案的警情。");
  for (const whole of ["", "connection refused", "磁盘已满。", "磁盘 /var 已满。请清理 /var。", "A。B 已满。"]) {
    expect(inBoth(whole)).toEqual({ zh: whole, en: whole });
  }
});

test("names with slashes, spaces and Chinese survive the address", () => {
  const path = ["devices", "home", "一层/烟感 1?"];
  expect(parse(href(path, { range: "6h" })).path).toEqual(path);
  expect(parse(href(path, { range: "6h" })).query.get("range")).toBe("6h");
  expect(parse("").path).toEqual([]);
  expect(parse("#/devices/%E0%A4%A").path).toEqual(["devices", "%E0%A4%A"]);
});
