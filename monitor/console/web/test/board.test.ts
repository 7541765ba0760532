import { expect, test } from "vitest";
import { callOf, calls, loudest } from "../src/alarm";
import { byUrgency, tiles } from "../src/order";
import { at, incident } from "./incidents";

const zone = (key: string, live: number) => ({
  zone: key,
  name: { zh: key, en: key },
  detectors: 1,
  heard: live,
  offline: 0,
  live,
  covered: live > 0,
  gaps: [],
  uncovered_since: null,
  accepted: [],
});

test("the gravest and the longest unanswered stand first, what is resolved last", () => {
  const all = [
    incident({ id: "fault", kind: "FAULT" }),
    incident({ id: "fire-resolved", state: "resolved" }),
    incident({ id: "fire-answered", state: "acknowledged" }),
    incident({ id: "prealarm", kind: "PREALARM" }),
    incident({ id: "fire-new", raised_at: at(60) }),
    incident({ id: "fire-old", raised_at: at(10) }),
  ];
  expect(all.sort(byUrgency).map(({ id }) => id)).toEqual([
    "fire-old",
    "fire-new",
    "fire-answered",
    "prealarm",
    "fault",
    "fire-resolved",
  ]);
});

test("a tile shows the worst of its zone, and unwatched zones before watched ones", () => {
  const zones = [zone("a", 1), zone("b", 0), zone("c", 1), zone("d", 1)];
  const open = [
    incident({ id: "1", zone: "c", kind: "FAULT" }),
    incident({ id: "2", zone: "c", kind: "FIRE", state: "acknowledged" }),
    incident({ id: "3", zone: "d", kind: "FIRE", state: "resolved" }),
  ];
  const found = tiles(zones, open);
  expect(found.map((tile) => [tile.zone.zone, tile.look])).toEqual([
    ["c", "FIRE"],
    ["b", "blind"],
    ["a", "fine"],
    ["d", "fine"],
  ]);
  expect(found[0]?.incident?.id).toBe("2");
});

test("fires and prealarms sound until they are answered, the graver one first", () => {
  const fire = incident({ id: "fire" });
  const prealarm = incident({ id: "pre", kind: "PREALARM", state: "dispatched" });
  const fault = incident({ id: "fault", kind: "FAULT" });
  expect(loudest(calls([prealarm, fire, fault]).values())).toBe("fire");
  expect(loudest(calls([prealarm, { ...fire, state: "acknowledged" }]).values())).toBe("prealarm");
  expect(loudest(calls([{ ...prealarm, state: "on_scene" }, fault]).values())).toBe("none");
});

test("a suspected fire asks for a look, it does not cry fire", () => {
  expect(loudest(calls([incident({ suspected: true })]).values())).toBe("prealarm");
});

test("an escalation, a confirmation and a new alarm after resolution are new calls; an acknowledgement elsewhere is none", () => {
  const before = incident({ kind: "PREALARM" });
  expect(callOf({ ...before, kind: "FIRE" })).not.toBe(callOf(before));
  expect(callOf({ ...before, suspected: true })).not.toBe(callOf(before));
  expect(callOf({ ...before, dispatch_due_at: at(900) })).not.toBe(callOf(before));
  expect(callOf({ ...before, alarms: 7, revision: 9, state: "dispatched" })).toBe(callOf(before));
});
