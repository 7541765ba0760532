import { expect, test } from "vitest";
import { whoWasCalled } from "../src/called";
import type { Entry, Push } from "../src/answers";
import { at, RAISED } from "./incidents";

let id = 0;
const entry = (seconds: number, step: string, detail: Entry["detail"] = {}): Entry => ({
  id: ++id,
  at: at(seconds),
  incident: "inc-000001",
  step,
  detail,
});

const WANG = { key: "wang", name: { zh: "王值班", en: "Wang" }, role: "responder" };
const POST = { key: "post", name: { zh: "微型消防站", en: "Post" } };

const push = (seconds: number, step: string, channel: string, outcome: string, to: typeof WANG | null, type = "incident.call"): Push => ({
  key: `inc-000001/${step}/${channel}${to ? `@${to.key}` : ""}`,
  at: at(seconds),
  step,
  channel,
  kind: "FIRE",
  outcome,
  attempts: 1,
  reply: "",
  next_at: null,
  expires_at: at(1800),
  body: { type, station: POST, to },
});

test("people and station channels in the order in which they were called, each way once, the best that became of it", () => {
  const pushes = [
    push(15, "call1-1", "sms", "dead", WANG),
    push(0, "dispatch-1", "group", "accepted", null, "incident.dispatch"),
    push(0, "dispatch-1", "sms", "accepted", WANG, "incident.dispatch"),
    push(15, "call1-1", "voice", "retry", WANG),
    push(20, "acknowledged-1", "sms", "accepted", WANG, "incident.update"),
  ];
  const timeline = [
    entry(0, "raised"),
    entry(2, "push_accepted", { step: "dispatch-1", channel: "sms", to: "wang" }),
    entry(3, "push_accepted", { step: "dispatch-1", channel: "group" }),
  ];
  const [station, wang, ...more] = whoWasCalled(pushes, timeline);
  expect(more).toEqual([]);
  expect(station).toMatchObject({ key: "station:post", role: "", name: POST.name, acknowledged: null });
  expect(station?.ways).toEqual([{ channel: "group", reach: "accepted", times: 1, at: RAISED + 3000 }]);
  // News of what became of it is no call, and a second call that fails does not undo the first.
  expect(wang?.ways).toEqual([
    { channel: "sms", reach: "accepted", times: 2, at: RAISED + 2000 },
    { channel: "voice", reach: "retrying", times: 1, at: null },
  ]);
});

test("who acknowledged is known by name, and only for the present danger", () => {
  const timeline = [
    entry(0, "raised"),
    entry(5, "acknowledged", { by: "王值班" }),
    entry(90, "realarm"),
  ];
  const first = push(0, "dispatch-1", "sms", "accepted", WANG);
  const again = push(90, "dispatch-2", "sms", "withdrawn", WANG);
  expect(whoWasCalled([first], timeline.slice(0, 2))[0]?.acknowledged).toBe(RAISED + 5000);
  const now = whoWasCalled([first, again], timeline);
  expect(now).toHaveLength(1);
  expect(now[0]).toMatchObject({ acknowledged: null, since: RAISED + 90_000 });
  expect(now[0]?.ways.map(({ reach, times }) => [reach, times])).toEqual([["withdrawn", 1]]);
});
