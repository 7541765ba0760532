import { expect, test } from "vitest";
import { newsOf } from "../src/news";
import { at, incident } from "./incidents";

test("each alarm is told once: when it is new, when it is graver, when it comes back after it was resolved", () => {
  const prealarm = incident({ kind: "PREALARM" });
  const first = newsOf(null, [prealarm]);
  expect(first.fresh).toEqual([]);
  expect(newsOf(first.calls, [prealarm]).fresh).toEqual([]);

  const other = incident({ id: "inc-000002", kind: "FAULT", dispatch_due_at: null });
  const second = newsOf(first.calls, [prealarm, other]);
  expect(second.fresh).toEqual([other]);

  const fire = incident({ kind: "FIRE" });
  const third = newsOf(second.calls, [fire, other]);
  expect(third.fresh).toEqual([fire]);

  const answered = incident({ kind: "FIRE", state: "acknowledged" });
  expect(newsOf(third.calls, [answered, other]).fresh).toEqual([]);
  const resolved = newsOf(third.calls, [incident({ kind: "FIRE", state: "resolved" }), other]);
  expect(resolved.fresh).toEqual([]);
  const again = incident({ kind: "FIRE", dispatch_due_at: at(900) });
  expect(newsOf(resolved.calls, [again, other]).fresh).toEqual([again]);
});
