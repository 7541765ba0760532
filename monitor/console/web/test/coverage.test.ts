import { expect, test } from "vitest";
import type { Gap, Suppression, ZoneCoverage } from "../src/answers";
import { lacking } from "../src/coverage";
import { endOf, shelvable, TERMS } from "../src/measures";
import { months } from "../src/months";
import { at, RAISED } from "./incidents";

const measure = (id: string): Suppression => ({
  id,
  measure: "impaired",
  subject: "home/garage",
  rule: "",
  by: "李工",
  why: "主机更换",
  compensation: "每小时巡查",
  since: at(0),
  until: at(3600),
  ended_at: null,
  ended_by: "",
});

const zone = (key: string, more: Partial<ZoneCoverage> = {}): ZoneCoverage => ({
  zone: key,
  name: { zh: key, en: key },
  detectors: 2,
  heard: 2,
  offline: 0,
  live: 2,
  covered: true,
  gaps: [],
  uncovered_since: null,
  accepted: [],
  ...more,
});

test("zones that nobody answers for come first, then those that have been blind for longest", () => {
  const out = { live: 0, covered: false };
  const gaps: Gap[] = [{ lack: "offline", count: 1, devices: ["home/a"], since: null }];
  const found = lacking([
    zone("fine"),
    zone("partly", { live: 1, gaps }),
    zone("accepted", { ...out, uncovered_since: at(0), accepted: [measure("sup-000001")] }),
    zone("late", { ...out, uncovered_since: at(90) }),
    zone("early", { ...out, uncovered_since: at(30) }),
    zone("never", { ...out, detectors: 0 }),
  ]);
  expect(found.uncovered.map((it) => it.zone)).toEqual(["never", "early", "late", "accepted"]);
  expect(found.partly.map((it) => it.zone)).toEqual(["partly"]);
  expect(found.unanswered).toBe(3);
});

test("a measure that is offered is never longer than what is allowed when the form arrives", () => {
  for (const [name, terms] of Object.entries(TERMS)) {
    for (const length of [terms.usual, ...terms.offers]) {
      const end = endOf(name as keyof typeof TERMS, RAISED, length);
      expect(end, name).toBeGreaterThan(RAISED);
      expect(end, name).toBeLessThan(RAISED + terms.longest);
    }
  }
});

test("rules of fires and prealarms are not offered for shelving", () => {
  const rule = (id: string, kind: "FIRE" | "PREALARM" | "SUPERVISORY" | "FAULT") => ({
    id,
    kind,
    title: { zh: id, en: id },
    quantities: [],
    advice: null,
  });
  const all = [rule("smoke", "FIRE"), rule("warm", "PREALARM"), rule("opened", "SUPERVISORY"), rule("battery", "FAULT")];
  expect(shelvable(all).map(({ id }) => id)).toEqual(["battery", "opened"]);
});

test("months begin and end in China, the present one first", () => {
  expect(months(Date.parse("2026-11-30T15:59:59Z"))[0]).toBe("2026-11");
  expect(months(Date.parse("2026-11-30T16:00:00Z")).slice(0, 2)).toEqual(["2026-12", "2026-11"]);
  expect(months(Date.parse("2027-01-15T00:00:00Z")).slice(0, 3)).toEqual(["2027-01", "2026-12", "2026-11"]);
  expect(new Set(months(RAISED)).size).toBe(24);
});
