/**
 * The daemon's clock as the page knows it: deadlines are counted by the server's time, whatever a phone's clock says.
 * Knows no request: whoever got an answer tells it what time it was there.
 */
import { signal } from "@preact/signals";

let offset = 0;
let uncertainty = Infinity;

/** Milliseconds since 1970 by the daemon's clock. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** The server said `now` in an answer to a request that was sent and received at these local moments (milliseconds). */
export function learn(now: string, sent: number, received: number): void {
  const trip = received - sent;
  // The shortest trip knows best; older knowledge fades, because clocks drift and laptops sleep.
  uncertainty = uncertainty * 1.1 + 5;
  if (trip > uncertainty) return;
  uncertainty = trip;
  offset = Date.parse(now) - (sent + received) / 2;
  tick();
}

/** Whole seconds of the server's clock; changes once a second. */
export const second = signal(Math.floor(Date.now() / 1000));

function tick(): void {
  second.value = Math.floor(serverNow() / 1000);
}

export function startClock(): void {
  setInterval(tick, 250);
  document.addEventListener("visibilitychange", tick);
}
