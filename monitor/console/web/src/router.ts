/** Which view the address asks for: `#/devices/<site>/<device>?range=1h`. Knows no view. */
import { signal } from "@preact/signals";

export interface Route {
  /** Decoded parts of the path; empty for the board. */
  path: string[];
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter((part) => part !== "");
  return { path: parts.map(decode), query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function href(path: readonly string[], query: Record<string, string> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  return `#/${path.map(encodeURIComponent).join("/")}${search}`;
}

export const deviceHref = (key: string): string => href(["devices", ...key.split("/")]);
export const incidentHref = (id: string): string => href(["incidents", id]);

export const route = signal<Route>({ path: [], query: new URLSearchParams() });

/** Change the query of the present view without a new step in the browser's history. */
export function replaceQuery(query: Record<string, string>): void {
  history.replaceState(null, "", href(route.value.path, query));
  route.value = parse(location.hash);
}

/** Where the pressed link goes away with its view, the keyboard goes on at the new one's beginning. */
function keepFocus(): void {
  const lost = (): boolean => document.activeElement === document.body;
  if (lost()) return;
  requestAnimationFrame(() => lost() && document.getElementById("main")?.focus({ preventScroll: true }));
}

export function startRouter(): void {
  const read = (): void => {
    route.value = parse(location.hash);
  };
  addEventListener("hashchange", () => {
    keepFocus();
    read();
    scrollTo(0, 0);
  });
  read();
}
