import { expect, test } from "vitest";
import { calls, loudest } from "../src/alarm";
import { pictureOf } from "../src/picture";
import { at, incident } from "./incidents";

const ids = (of: readonly { id: string }[]): string[] => of.map(({ id }) => id);

test("a flood is one picture, and a fire elsewhere is always its own", () => {
  const flood = Array.from({ length: 499 }, (_, n) =>
    incident({ id: `m${n}`, zone: `home/z${n}`, lead: "lead", raised_at: at(n + 1) }),
  );
  const lead = incident({ id: "lead", members: 499 });
  const elsewhere = incident({ id: "elsewhere", zone: "other/hall", raised_at: at(900) });
  const { scenes, real } = pictureOf([...flood, elsewhere, lead]);
  expect(scenes.map((scene) => [scene.incident.id, scene.members.length])).toEqual([
    ["lead", 499],
    ["elsewhere", 0],
  ]);
  // First up on top of what goes under it.
  expect(ids(scenes[0]?.members.slice(0, 2) ?? [])).toEqual(["m0", "m1"]);
  expect(real).toHaveLength(501);
});

test("what nobody speaks for has a card of its own", () => {
  const lead = incident({ id: "lead", state: "resolved" });
  const done = incident({ id: "done", lead: "lead", state: "resolved" });
  const burns = incident({ id: "burns", lead: "lead" });
  const orphan = incident({ id: "orphan", lead: "closed-long-ago" });
  const { scenes } = pictureOf([lead, done, burns, orphan]);
  expect(ids(scenes.map((scene) => scene.incident))).toEqual(["burns", "orphan", "lead"]);
  const graver = pictureOf([incident({ id: "pre", kind: "PREALARM" }), incident({ id: "fire", lead: "pre" })]);
  expect(ids(graver.scenes.map((scene) => scene.incident))).toEqual(["fire", "pre"]);
  const surer = pictureOf([incident({ id: "doubtful", suspected: true }), incident({ id: "sure", lead: "doubtful" })]);
  expect(surer.scenes).toHaveLength(2);
  // Two that point at each other are both shown.
  expect(pictureOf([incident({ id: "a", lead: "b" }), incident({ id: "b", lead: "a" })]).scenes).toHaveLength(2);
});

test("drills and withheld incidents are apart, and every incident is somewhere", () => {
  const drill = incident({ id: "drill", exercise: "drill-7" });
  const tested = incident({ id: "tested", exercise: "test", withheld: "sup-000001" });
  const shelved = incident({ id: "shelved", kind: "FAULT", withheld: "sup-000002" });
  const fire = incident({ id: "fire" });
  const found = pictureOf([drill, tested, shelved, fire]);
  expect([ids(found.real), ids(found.drills), ids(found.withheld)]).toEqual([["fire"], ["drill"], ["tested", "shelved"]]);
});

test("only what may be real sounds, and a flood sounds once", () => {
  const drill = incident({ id: "drill", exercise: "drill-7" });
  const tested = incident({ id: "tested", exercise: "test", withheld: "sup-000001" });
  const works = incident({ id: "works", kind: "PREALARM", withheld: "sup-000002" });
  expect(calls([drill, tested, works]).size).toBe(0);
  const lead = incident({ id: "lead", members: 1 });
  const member = incident({ id: "member", lead: "lead" });
  expect([...calls([lead, member, drill]).values()]).toEqual(["fire"]);
  // Whoever has taken the lead has taken them all; one that burns on alone calls for itself.
  expect(loudest(calls([{ ...lead, state: "acknowledged" }, member]).values())).toBe("none");
  expect(loudest(calls([{ ...lead, state: "resolved" }, member]).values())).toBe("fire");
});
