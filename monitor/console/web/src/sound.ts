/**
 * The page's voice: plays what `alarm.ts` asks for, once a person has allowed it (browsers need a gesture), unless muted.
 * Knows no view; the body's `data-sounding` tells what is heard, `data-alarm` what should be.
 */
import { computed, effect, signal } from "@preact/signals";
import type { Incident } from "./answers";
import { calls, loudest, type Sounding } from "./alarm";
import { second, serverNow } from "./clock";
import { kept } from "./kept";
import { CHIME, DRILL, FIRE, LOST, PREALARM, render, type Pattern } from "./patterns";
import { incidents, link, loaded, picture } from "./store";

export const MUTE_MS = 5 * 60_000;
const LOST_PATIENCE_MS = 2000;

let context: AudioContext | null = null;
const wanted = kept<"on" | "off">("sound", "off", ["on", "off"]);

/** The loudspeaker may be used. */
export const audible = signal(false);
/** Server milliseconds until which nothing sounds, or 0. */
export const mutedUntil = signal(0);
let mutedCalls = new Set<string>();

const ringing = computed(() => calls(incidents.value));
export const alarm = computed<Sounding>(() => loudest(ringing.value.values()));
export const muted = computed(() => mutedUntil.value > second.value * 1000);
export const sounding = computed<Sounding>(() => (audible.value && !muted.value ? alarm.value : "none"));

/** To be called in a gesture. */
export async function enableSound(): Promise<void> {
  context ??= new AudioContext();
  context.onstatechange = () => (audible.value = context?.state === "running");
  await context.resume();
  audible.value = context.state === "running";
  wanted.value = "on";
}

export function mute(): void {
  mutedCalls = new Set(ringing.value.keys());
  mutedUntil.value = serverNow() + MUTE_MS;
}

export function unmute(): void {
  mutedUntil.value = 0;
}

function play(pattern: Pattern, loop: boolean): AudioBufferSourceNode | null {
  if (context === null || context.state !== "running") return null;
  const buffer = context.createBuffer(1, Math.round(pattern.length * context.sampleRate), context.sampleRate);
  buffer.copyToChannel(render(pattern, context.sampleRate), 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.loop = loop;
  source.connect(context.destination);
  source.start();
  return source;
}

function once(pattern: Pattern): void {
  if (!muted.peek()) play(pattern, false);
}

function loopAlarm(): void {
  effect(() => {
    document.body.dataset["sounding"] = sounding.value;
    if (sounding.value === "none") return;
    const source = play(sounding.value === "fire" ? FIRE : PREALARM, true);
    const shake = (): void => void (sounding.peek() === "fire" && navigator.vibrate?.([500, 500, 500, 500, 500]));
    shake();
    const timer = setInterval(shake, FIRE.length * 1000);
    return () => {
      source?.stop();
      clearInterval(timer);
      navigator.vibrate?.(0);
    };
  });
  effect(() => {
    document.body.dataset["alarm"] = alarm.value;
  });
}

/** A mute ends by itself, and at once when somebody else calls. */
function endMutes(): void {
  effect(() => {
    if (mutedUntil.value !== 0 && !muted.value) mutedUntil.value = 0;
    if (muted.value && [...ringing.value.keys()].some((call) => !mutedCalls.has(call))) unmute();
  });
}

/** One chime for each supervisory and fault that is new, and another one, which sounds like nothing else, for a drill. */
function chimeOnce(): void {
  const quiet = (it: Incident): boolean => it.kind === "SUPERVISORY" || it.kind === "FAULT";
  chimeFor(() => picture.value.scenes.map((scene) => scene.incident).filter(quiet), CHIME);
  chimeFor(() => picture.value.drills, DRILL);
}

function chimeFor(which: () => readonly Incident[], pattern: Pattern): void {
  let known: Set<string> | null = null;
  effect(() => {
    if (!loaded.value) return;
    const now = new Set(which().map((it) => it.id));
    if (known !== null && [...now].some((id) => !known?.has(id))) once(pattern);
    known = now;
  });
}

/** A short break is seen, a longer one is heard too. */
function soundLoss(): void {
  effect(() => {
    if (link.value.state !== "lost") return;
    const timer = setTimeout(() => play(LOST, false), LOST_PATIENCE_MS);
    return () => clearTimeout(timer);
  });
}

export function startSound(): void {
  loopAlarm();
  endMutes();
  chimeOnce();
  soundLoss();
  // Whoever wanted sound before gets it back with the first touch of the page.
  const again = (): void => {
    if (wanted.peek() === "on" && !audible.peek()) void enableSound();
  };
  addEventListener("pointerdown", again);
  addEventListener("keydown", again);
  if (wanted.peek() === "on") void enableSound();
}
