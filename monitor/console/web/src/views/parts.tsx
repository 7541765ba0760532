/** Small parts that all views are made of. */
import type { ComponentChildren } from "preact";
import type { Kind } from "../answers";
import { t } from "../i18n";
import type { Look } from "../picture";
import { describe } from "../problems";

const PATHS: Readonly<Record<string, string>> = {
  FIRE: "M12 2c1 4 6 6.500 6 12a6 6 0 0 1-12 0c0-2.500 1.200-4 2.300-5.200.3 1.400 1 2.200 1.900 2.700C9.700 8 10 4.500 12 2z",
  PREALARM: "M12 3 1.500 21h21zM11 10h2v5h-2zM11 16.500h2v2h-2z",
  SUPERVISORY: "M12 5C6 5 2.500 9.500 1 12c1.500 2.500 5 7 11 7s9.500-4.500 11-7c-1.500-2.500-5-7-11-7zm0 3.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7z",
  FAULT: "M21 7.200a5 5 0 0 1-6.700 5.800L7.500 19.800a2.100 2.100 0 0 1-3-3L11.300 10A5 5 0 0 1 17 3.200L14 6.200l.9 2.900 2.900.9z",
  blind: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 3a7 7 0 0 1 4.200 1.400L6.400 16.200A7 7 0 0 1 12 5zm0 14a7 7 0 0 1-4.200-1.400l9.800-9.800A7 7 0 0 1 12 19z",
  fine: "M9.500 16.600 4.900 12l-1.900 1.900 6.500 6.500L21.400 8.500l-1.900-1.900z",
  bell: "M12 2a6 6 0 0 0-6 6v5l-2 3v1h16v-1l-2-3V8a6 6 0 0 0-6-6zm-2.500 17a2.500 2.500 0 0 0 5 0z",
  mute: "M3 9v6h4l5 5V4L7 9zm12.300.5 5.500 5.500m0-5.500L15.300 15",
  person: "M12 3a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zM3 21c0-4.500 4-7 9-7s9 2.500 9 7z",
  place: "M12 2a7 7 0 0 0-7 7c0 5 7 13 7 13s7-8 7-13a7 7 0 0 0-7-7zm0 4.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" fill="currentColor" fill-rule="evenodd">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}

/** Colour, icon and word: never one of them alone. */
export function KindBadge({ kind, look = "real" }: { kind: Kind; look?: Look }) {
  const word = t(kind);
  return (
    <span class={`kind kind-${look === "real" ? kind : look}`}>
      <Icon name={kind} />
      <span class="kind-word">{look === "drill" ? t("drillKind", { kind: word }) : look === "withheld" ? t("heldKind", { kind: word }) : word}</span>
      <span class="kind-code" aria-hidden="true">
        {look === "real" ? kind : ""}
      </span>
    </span>
  );
}

export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  if (error === null || error === undefined) return null;
  return (
    <p class="error" role="alert" data-testid="error">
      <span>{describe(error)}</span>
      {retry && (
        <button type="button" class="quiet" onClick={retry}>
          {t("retry")}
        </button>
      )}
    </p>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      {t("loading")}
    </p>
  );
}

interface Titled {
  title: ComponentChildren;
  children: ComponentChildren;
  aside?: ComponentChildren;
  testid?: string;
}

export function Section({ title, children, aside, testid }: Titled) {
  return (
    <section class="section" data-testid={testid}>
      <div class="section-head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}
