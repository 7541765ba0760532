/** Signals that outlive the page, in the browser's local storage; without one (private windows) they live as long as the page. */
import { effect, signal, type Signal } from "@preact/signals";

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is refused: the choice then holds for this page only.
  }
}

export function kept<T extends string>(name: string, initial: T, allowed?: readonly T[]): Signal<T> {
  const key = `wanglou.${name}`;
  const stored = read(key) as T | null;
  const it = signal<T>(stored !== null && (!allowed || allowed.includes(stored)) ? stored : initial);
  let first = true;
  effect(() => {
    const value = it.value;
    if (!first) write(key, value);
    first = false;
  });
  return it;
}
