/**
 * The live stream, held open for as long as the page lives: what came, and since when nothing comes any more.
 * Knows neither incidents nor the page. Silence counts as loss: the daemon says something every five seconds.
 */
import { ApiError, ask } from "./api";
import { EventParser, type ServerEvent } from "./sse";

export const SILENCE_MS = 12_000;
const BACK_OFF_MS = [1000, 2000, 4000, 7000, 10_000];

export interface Listener {
  /** Before the first connection: the position to begin after. Throws when the daemon is not there. */
  begin(): Promise<number>;
  /** The stream is open, for the first time or again. */
  live(): void;
  /** It is not, and will be tried again; the last word came at `heard` (local milliseconds), if there ever was one. */
  lost(heard: number | null): void;
  event(event: ServerEvent): void;
  /** Something came, be it a heartbeat. */
  word?(): void;
}

/** Run until `stop` is aborted. */
export async function follow(listener: Listener, stop: AbortSignal): Promise<void> {
  let last: string | null = null;
  let failures = 0;
  let heard: number | null = null;
  while (!stop.aborted) {
    try {
      last ??= String(await listener.begin());
      await read(last, stop, {
        word: () => {
          heard = Date.now();
          listener.word?.();
        },
        live: () => {
          failures = 0;
          listener.live();
        },
        event: (event) => {
          last = event.id || last;
          listener.event(event);
        },
      });
    } catch (error) {
      if (stop.aborted) return;
      if (error instanceof ApiError && error.status === 401) return listener.lost(heard);
      // 400: an id that this daemon cannot read. Begin anew.
      if (error instanceof ApiError && error.status === 400) last = null;
    }
    if (stop.aborted) return;
    listener.lost(heard);
    await pause(BACK_OFF_MS[Math.min(failures++, BACK_OFF_MS.length - 1)] ?? 1000, stop);
  }
}

/** One connection, until it ends, fails or falls silent. */
async function read(last: string, stop: AbortSignal, listener: Required<Pick<Listener, "live" | "event" | "word">>): Promise<void> {
  const cut = new AbortController();
  const silence = new Watchdog(SILENCE_MS, () => cut.abort());
  const offline = (): void => cut.abort();
  addEventListener("offline", offline);
  stop.addEventListener("abort", offline);
  try {
    const answer = await ask("/stream", { headers: { "Last-Event-ID": last }, signal: cut.signal }, Infinity);
    if (answer.body === null) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser(last);
    listener.live();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      silence.fed();
      listener.word();
      for (const event of parser.feed(part.value)) listener.event(event);
    }
  } finally {
    silence.stop();
    cut.abort();
    removeEventListener("offline", offline);
    stop.removeEventListener("abort", offline);
  }
}

/** Barks when it was not fed for a while. Also notices that the machine slept: it compares clocks instead of counting. */
class Watchdog {
  private since = Date.now();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(patience: number, bark: () => void) {
    this.timer = setInterval(() => Date.now() - this.since > patience && bark(), 1000);
  }

  fed(): void {
    this.since = Date.now();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** Wait; less when the browser says that the network is back. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((wake) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      stop.removeEventListener("abort", done);
      wake();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    stop.addEventListener("abort", done);
  });
}
