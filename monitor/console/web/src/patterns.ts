/**
 * The tones of the page as numbers, rendered into samples: no file is loaded, and a loop of samples needs no timer that a
 * background tab would slow down. Knows no audio device.
 */

export interface Tone {
  /** Seconds from the beginning. */
  at: number;
  length: number;
  hertz: number;
}

export interface Pattern {
  tones: readonly Tone[];
  /** Seconds until it begins anew, or ends. */
  length: number;
  /** Share of full scale. */
  level: number;
}

const temporalThree = (hertz: number): Tone[] => [0, 1, 2].map((at) => ({ at, length: 0.5, hertz }));

/** ISO 8201 temporal-three: 0.5 s on, 0.5 s off, three times, then 1.5 s silence. 520 Hz wakes best (NFPA 72 18.4.6). */
export const FIRE: Pattern = { tones: temporalThree(520), length: 4, level: 0.6 };

export const PREALARM: Pattern = {
  tones: [
    { at: 0, length: 0.45, hertz: 660 },
    { at: 0.45, length: 0.45, hertz: 440 },
  ],
  length: 3,
  level: 0.4,
};

export const CHIME: Pattern = {
  tones: [
    { at: 0, length: 0.25, hertz: 784 },
    { at: 0.25, length: 0.5, hertz: 523 },
  ],
  length: 1,
  level: 0.25,
};

/** Three short high notes, once: no alarm of a building sounds like it. */
export const DRILL: Pattern = {
  tones: [0, 0.2, 0.4].map((at) => ({ at, length: 0.1, hertz: 1047 })),
  length: 1,
  level: 0.25,
};

export const LOST: Pattern = {
  tones: [
    { at: 0, length: 0.2, hertz: 520 },
    { at: 0.25, length: 0.2, hertz: 392 },
    { at: 0.5, length: 0.5, hertz: 262 },
  ],
  length: 1.2,
  level: 0.4,
};

const EDGE = 0.008;

/** Samples in [-level, level]: each tone a sine with its third and fifth harmonics, softened at the edges so that it does not click. */
export function render(pattern: Pattern, rate: number): Float32Array<ArrayBuffer> {
  const samples = new Float32Array(Math.round(pattern.length * rate));
  for (const { at, length, hertz } of pattern.tones) {
    const start = Math.round(at * rate);
    const count = Math.round(length * rate);
    for (let i = 0; i < count && start + i < samples.length; i++) {
      const t = i / rate;
      const phase = 2 * Math.PI * hertz * t;
      const wave = (Math.sin(phase) + Math.sin(3 * phase) / 3 + Math.sin(5 * phase) / 5) / 1.2;
      const envelope = Math.min(1, t / EDGE, (length - t) / EDGE);
      samples[start + i] = Math.max(-1, Math.min(1, wave)) * envelope * pattern.level;
    }
  }
  return samples;
}
