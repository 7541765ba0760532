/**
 * Whether this browser may look: the cookie of a session, got for the token. The token itself is never kept.
 * Knows no view.
 */
import { signal } from "@preact/signals";
import { ApiError, logIn, logOut, onUnauthorized, readSession } from "./api";

export type Session = "unknown" | "in" | "out";

export const session = signal<Session>("unknown");
/** Why the last attempt to log in failed. */
export const loginError = signal<unknown>(null);

onUnauthorized(() => (session.value = "out"));

/** The token of a link `#/login=…` or `#login=…`, taken out of the address and the history at once. */
function tokenOfLink(): string | null {
  const match = /^#\/?login=(.+)$/.exec(location.hash);
  if (!match?.[1]) return null;
  history.replaceState(null, "", "#/");
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return match[1];
  }
}

export async function enter(token: string): Promise<void> {
  loginError.value = null;
  try {
    await logIn(token);
    session.value = "in";
  } catch (error) {
    loginError.value = error;
    session.value = "out";
  }
}

export async function leave(): Promise<void> {
  await logOut();
  session.value = "out";
}

/** Log in by a link, or find out whether the browser is still logged in; asks again until the daemon answers. */
export async function begin(): Promise<void> {
  const token = tokenOfLink();
  if (token !== null) return enter(token);
  for (;;) {
    try {
      await readSession();
      session.value = "in";
      return;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
      loginError.value = error;
      await new Promise((wake) => setTimeout(wake, 2000));
    }
  }
}
