import { expect, test } from "vitest";
import { EventParser } from "../src/sse";

const STREAM =
  "retry: 2000\n: wanglou\n\nid: 17\nevent: entry\ndata: {\"id\":17}\n\n: heartbeat\n\nid: 18\nevent: reset\ndata: {\ndata: }\n\n";
const EVENTS = [
  { event: "entry", data: '{"id":17}', id: "17" },
  { event: "reset", data: "{\n}", id: "18" },
];

test("events come out whole however the network cuts the stream", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let i = 0; i < STREAM.length; i += size) events.push(...parser.feed(STREAM.slice(i, i + size)));
    expect(events).toEqual(EVENTS);
  }
});

test("every kind of line end ends a line, and a CRLF that is cut in two ends one", () => {
  for (const end of ["\r\n", "\r", "\n"]) {
    const text = `${STREAM.replaceAll("\n", end)}:${end}`;
    for (const size of [1, 3, text.length]) {
      const parser = new EventParser();
      const events = [];
      for (let i = 0; i < text.length; i += size) events.push(...parser.feed(text.slice(i, i + size)));
      expect(events).toEqual(EVENTS);
    }
  }
});

test("comments and heartbeats are no events, and an event that is not finished waits", () => {
  const parser = new EventParser("5");
  expect(parser.feed(": heartbeat\n\n: heartbeat\n\n")).toEqual([]);
  expect(parser.feed("data: a")).toEqual([]);
  expect(parser.feed("b\n")).toEqual([]);
  expect(parser.feed("\n")).toEqual([{ event: "message", data: "ab", id: "5" }]);
});

test("an event without an id keeps the last one", () => {
  const parser = new EventParser();
  expect(parser.feed("id: 3\ndata: x\n\ndata: y\n\n").map((event) => event.id)).toEqual(["3", "3"]);
});
