/**
 * One stream for all tabs of a browser, which allows six connections to one address: the tab that holds a lock reads, the others
 * listen to it. Whoever hears nothing from that tab helps himself. Knows no incident. Without locks each tab has its own stream.
 */
import type { ServerEvent } from "./sse";
import { follow, SILENCE_MS, type Listener } from "./stream";

const NAME = "wanglou.stream";
/** The reading tab notices silence itself and says so; listeners allow it a little longer. */
const UNSURE_MS = SILENCE_MS + 3000;
const ALONE_MS = 30_000;
/** Nobody answers a new tab: the one that reads hangs, or has not connected yet itself. */
const UNANSWERED_MS = 3000;

type Word =
  | { word: "hello" | "live" | "alive" }
  | { word: "lost"; heard: number | null }
  | { word: "event"; event: ServerEvent };

type Role = "listening" | "reading" | "alone";

/** As `follow`, until `stop` is aborted. */
export async function followTogether(listener: Listener, stop: AbortSignal): Promise<void> {
  if (!("locks" in navigator) || typeof BroadcastChannel === "undefined") return follow(listener, stop);
  const channel = new BroadcastChannel(NAME);
  const tab = new Tab(listener, channel, stop);
  channel.onmessage = ({ data }: MessageEvent<Word>) => tab.hear(data);
  channel.postMessage({ word: "hello" } satisfies Word);
  const timer = setInterval(() => tab.watch(), 1000);
  try {
    await navigator.locks.request(NAME, { signal: stop }, () => tab.read());
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    clearInterval(timer);
    channel.close();
  }
}

class Tab {
  private role: Role = "listening";
  /** Null before the first connection. */
  private live: boolean | null = null;
  private heard = Date.now();

  constructor(
    private readonly listener: Listener,
    private readonly channel: BroadcastChannel,
    private readonly stop: AbortSignal,
  ) {}

  /** A word of another tab. */
  hear(word: Word): void {
    if (this.role === "reading" && word.word === "hello" && this.live !== null) {
      this.say(this.live ? { word: "live" } : { word: "lost", heard: this.heard });
    }
    if (this.role !== "listening" || word.word === "hello") return;
    this.heard = Date.now();
    if (word.word === "lost") this.lose(word.heard);
    else if (!this.live || word.word === "live") this.revive();
    if (word.word === "event") this.listener.event(word.event);
  }

  /** Once a second. */
  watch(): void {
    if (this.role !== "listening") return;
    const silent = Date.now() - this.heard;
    if (silent > UNSURE_MS && this.live) this.lose(this.heard);
    if (silent > (this.live === null ? UNANSWERED_MS : ALONE_MS)) {
      this.role = "alone";
      void follow(this.listener, this.stop);
    }
  }

  /** The lock is ours: read for everybody. */
  async read(): Promise<void> {
    // Who reads for himself already leaves the lock to the next.
    if (this.role === "alone") return;
    this.role = "reading";
    const { begin, event } = this.listener;
    await follow(
      {
        begin,
        live: () => {
          this.say({ word: "live" });
          this.revive();
        },
        lost: (heard) => {
          this.say({ word: "lost", heard });
          this.lose(heard);
        },
        word: () => this.say({ word: "alive" }),
        event: (it) => {
          this.say({ word: "event", event: it });
          event(it);
        },
      },
      this.stop,
    );
  }

  private say(word: Word): void {
    this.channel.postMessage(word);
  }

  private revive(): void {
    this.live = true;
    this.listener.live();
  }

  private lose(heard: number | null): void {
    this.live = false;
    this.listener.lost(heard);
  }
}
