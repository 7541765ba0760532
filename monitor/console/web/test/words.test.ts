import { expect, test } from "vitest";
import { refusalOf } from "../src/refusals";
import { href, parse } from "../src/router";
import { DEVICE_KINDS, TROUBLES, WORDS } from "../src/words";

const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test("both languages say something, and have the same places for values", () => {
  for (const [key, [zh, en]] of Object.entries({ ...WORDS, ...DEVICE_KINDS, ...TROUBLES })) {
    expect(zh.trim(), key).not.toBe("");
    expect(en.trim(), key).not.toBe("");
    expect(holes(zh), key).toEqual(holes(en));
  }
});

test("every reason of the engine is understood", () => {
  const reasons = [
    "no such open incident",
    "a note needs words",
    "trouble of the system ends by itself when its cause is mended",
    "nothing to reset: the sensors are back to normal",
    "closing needs a disposition: fire, nuisance, test, works, unknown",
    "close is not possible while the incident is on_scene",
    "on-scene is not possible while the incident is resolved",
    "the alarm is still latched: reset it first; it comes back if the danger is still there",
  ];
  expect(reasons.map((reason) => refusalOf(reason)?.key)).not.toContain(undefined);
  expect(refusalOf("close is not possible while the incident is on_scene")).toEqual({
    key: "refusedState",
    words: { verb: "doClose", state: "on_scene" },
  });
  expect(refusalOf("something new")).toBeNull();
});

test("names with slashes, spaces and Chinese survive the address", () => {
  const path = ["devices", "home", "一层/烟感 1?"];
  expect(parse(href(path, { range: "6h" })).path).toEqual(path);
  expect(parse(href(path, { range: "6h" })).query.get("range")).toBe("6h");
  expect(parse("").path).toEqual([]);
  expect(parse("#/devices/%E0%A4%A").path).toEqual(["devices", "%E0%A4%A"]);
});
