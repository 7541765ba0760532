import { expect, test } from "vitest";
import { CHIME, FIRE, LOST, PREALARM, render } from "../src/patterns";

const RATE = 8000;

/** Is there sound in this tenth of a second? */
const loud = (samples: Float32Array, second: number): boolean =>
  samples.slice(second * RATE, (second + 0.1) * RATE).some((sample) => Math.abs(sample) > 0.1);

test("fire is temporal-three of ISO 8201: half seconds on and off, three times, and a pause", () => {
  const samples = render(FIRE, RATE);
  const heard = Array.from({ length: 8 }, (_, half) => loud(samples, half / 2 + 0.2));
  expect(heard).toEqual([true, false, true, false, true, false, false, false]);
  expect(samples.length / RATE).toBe(4);
});

test("no pattern clips, clicks at its seam, or is silent", () => {
  for (const pattern of [FIRE, PREALARM, CHIME, LOST]) {
    const samples = render(pattern, RATE);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    expect(peak).toBeGreaterThan(0.15);
    expect(peak).toBeLessThanOrEqual(pattern.level);
    expect(Math.abs(samples[0] ?? 1)).toBeLessThan(0.01);
    expect(Math.abs(samples.at(-1) ?? 1)).toBeLessThan(0.01);
  }
});
