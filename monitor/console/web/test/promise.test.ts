import { expect, test } from "vitest";
import { leg, legs, nextLeg } from "../src/promise";
import { at, incident, RAISED } from "./incidents";

const after = (seconds: number): number => RAISED + seconds * 1000;

test("a fresh incident counts down to its dispatch, then to the arrival", () => {
  expect(nextLeg(incident(), after(15))).toMatchObject({ goal: "dispatch", status: "running", left: 45_000, share: 0.25 });
  const sent = incident({ state: "dispatched", dispatched_at: at(2) });
  expect(nextLeg(sent, after(15))).toMatchObject({ goal: "on_scene", status: "running", left: 285_000 });
  expect(leg(sent, "dispatch", after(15))).toMatchObject({ status: "met", took: 2000 });
});

test("a missed goal stays the next one and counts up", () => {
  const late = incident({ overdue: ["dispatch"] });
  expect(nextLeg(late, after(75))).toMatchObject({ goal: "dispatch", status: "missed", over: 15_000 });
});

test("a deadline that passes on the page is missed before the daemon says so", () => {
  expect(nextLeg(incident(), after(60))).toMatchObject({ goal: "dispatch", status: "missed", over: 0 });
});

test("a goal that was reached too late is not green", () => {
  const arrived = incident({ state: "on_scene", dispatched_at: at(2), on_scene_at: at(400), overdue: ["on_scene"] });
  expect(legs(arrived, after(500)).map(({ status }) => status)).toEqual(["met", "late", "running"]);
});

test("a step that was skipped counts from the next one", () => {
  const arrived = incident({ state: "on_scene", on_scene_at: at(40) });
  expect(leg(arrived, "dispatch", after(50))).toMatchObject({ status: "met", took: 40_000 });
});

test("without deadlines there is nothing to count down", () => {
  const fault = incident({ kind: "FAULT", dispatch_due_at: null, on_scene_due_at: null, resolve_due_at: null });
  expect(nextLeg(fault, after(9999))).toBeNull();
  expect(legs(fault, after(9999)).every(({ status }) => status === "none")).toBe(true);
});

test("a resolved incident counts nothing down", () => {
  const done = incident({ state: "resolved", dispatched_at: at(1), on_scene_at: at(100), resolved_at: at(1000) });
  expect(nextLeg(done, after(5000))).toBeNull();
  expect(legs(done, after(5000)).map(({ status }) => status)).toEqual(["met", "met", "met"]);
});
