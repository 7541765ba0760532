/** Who is on duty at this browser: asked once, before the first action. Knows no view. */
import { signal } from "@preact/signals";
import { kept } from "./kept";

export const person = kept<string>("person", "");

/** Whoever waits for the name while it is being asked; null when nobody asks. */
export const asking = signal<((name: string | null) => void) | null>(null);

/** The name, asked for if it is not known; null when the person would not say. */
export function whoActs(): Promise<string | null> {
  return person.value !== "" ? Promise.resolve(person.value) : askPerson();
}

export function askPerson(): Promise<string | null> {
  asking.value?.(null);
  return new Promise((answer) => {
    asking.value = (name) => {
      asking.value = null;
      if (name !== null) person.value = name;
      answer(name);
    };
  });
}
