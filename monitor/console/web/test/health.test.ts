import { expect, test } from "vitest";
import type { Device } from "../src/answers";
import { byZone, healthOf, matches } from "../src/health";

function device(more: Partial<Device> = {}): Device {
  return {
    key: "home/smoke-1",
    site: "home",
    kind: "smoke_detector",
    zone: "home/garage",
    zone_name: { zh: "车库", en: "Garage" },
    name: { zh: "车库烟感1", en: "Garage smoke 1" },
    online: null,
    last_at: "2026-11-22T00:00:00Z",
    freshness: "live",
    values: { smoke_density: 0.02 },
    alarms: [],
    ...more,
  };
}

const alarm = { rule: "r", kind: "FIRE", state: "active", incident: "" } as const;

test("the gravest word wins", () => {
  expect(healthOf(device())).toBe("ok");
  expect(healthOf(device({ values: { battery: 12 } }))).toBe("battery");
  expect(healthOf(device({ values: { battery: 12, fault: true } }))).toBe("fault");
  expect(healthOf(device({ last_at: null, values: {} }))).toBe("silent");
  expect(healthOf(device({ online: false, values: { battery_low: true } }))).toBe("offline");
  expect(healthOf(device({ online: false, alarms: [alarm] }))).toBe("alarm");
});

test("an alarm that is not yet one, and a fault of its own, are not called an alarm", () => {
  expect(healthOf(device({ alarms: [{ ...alarm, state: "pending" }] }))).toBe("ok");
  expect(healthOf(device({ alarms: [{ ...alarm, kind: "FAULT" }], online: false }))).toBe("offline");
});

test("every word of the filter must be found, in either language", () => {
  const all = { text: "", kind: "", health: "" };
  expect(matches(device(), all)).toBe(true);
  expect(matches(device(), { ...all, text: "车库 smoke-1" })).toBe(true);
  expect(matches(device(), { ...all, text: "garage smoke 2" })).toBe(false);
  expect(matches(device(), { ...all, kind: "camera" })).toBe(false);
  expect(matches(device(), { ...all, health: "ok" })).toBe(true);
});

test("the zone with the worst device comes first", () => {
  const devices = [
    device({ zone: "a" }),
    device({ zone: "b", online: false }),
    device({ zone: "c" }),
    device({ zone: "b" }),
    device({ zone: "d", alarms: [alarm] }),
  ];
  expect(byZone(devices).map(([zone, group]) => [zone, group.length])).toEqual([
    ["d", 1],
    ["b", 2],
    ["a", 1],
    ["c", 1],
  ]);
});
