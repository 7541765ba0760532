/** What went wrong, in words for the person whose action it was. Knows no view. */
import { STATES, type State } from "./answers";
import { ApiError } from "./api";
import { t } from "./i18n";
import type { Key } from "./words";

const VERBS: Readonly<Record<string, Key>> = {
  acknowledge: "doAcknowledge",
  "on-scene": "doOnScene",
  resolve: "doResolve",
  reset: "doReset",
  close: "doClose",
};

/** The engine's reasons are English sentences; each is known by its beginning (rules/response.py). */
const REFUSALS: readonly [RegExp, Key][] = [
  [/^no such open incident/, "refusedGone"],
  [/^a note needs words/, "refusedNote"],
  [/^trouble of the system/, "refusedSystem"],
  [/^nothing to reset/, "refusedNothing"],
  [/^closing needs a disposition/, "refusedDisposition"],
];

export function refusal(detail: string): string {
  const known = REFUSALS.find(([pattern]) => pattern.test(detail));
  if (known) return t(known[1]);
  const state = /^(\S+) is not possible while the incident is (\w+)/.exec(detail);
  if (state?.[1] && STATES.includes(state[2] as State)) {
    const verb = VERBS[state[1]];
    return t("refusedState", { verb: verb ? t(verb) : state[1], state: t(state[2] as State) });
  }
  const alarm = /^the alarm is still (active|latched)/.exec(detail);
  if (alarm) return t("refusedAlarm", { condition: t(alarm[1] as "active" | "latched") });
  return detail;
}

export function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return t("errorOther", { status: "?", detail: String(error) });
  const { status, detail } = error;
  switch (status) {
    case 0:
      return t("errorNetwork");
    case 401:
      return t("errorUnauthorized");
    case 403:
      return t("errorForbidden");
    case 404:
      return detail.includes("incident") ? t("errorIncident") : detail.includes("device") ? t("errorDevice") : detail;
    case 409:
      return refusal(detail);
    case 400:
    case 422:
      return t("errorInvalid", { detail });
    case 501:
      return t("errorNoHistory");
    case 502:
      return t("errorHistory", { detail });
    case 503:
      return t("errorBusy", { detail });
    case 504:
      return t("errorNoAnswer");
    default:
      return t("errorOther", { status, detail });
  }
}
