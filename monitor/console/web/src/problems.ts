/** What went wrong, in words for the person whose action it was. Knows no view. */
import { ApiError } from "./api";
import { t } from "./i18n";
import { refusalOf } from "./refusals";

function refused(detail: string): string {
  const known = refusalOf(detail);
  if (known === null) return detail;
  const words = Object.entries(known.words).map(([name, key]) => [name, t(key)] as const);
  return t(known.key, Object.fromEntries(words));
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
      return refused(detail);
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
