/** What went wrong, in words for the person whose action it was. Knows no view. */
import { ApiError } from "./api";
import { pick, t } from "./i18n";
import { inBoth } from "./languages";

export function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return t("errorOther", { status: "?", detail: String(error) });
  const { status } = error;
  const detail = pick(inBoth(error.detail));
  switch (status) {
    case 0:
      return t("errorNetwork");
    case 401:
      return t("errorUnauthorized");
    case 403:
      return t("errorForbidden");
    case 404:
      if (error.detail.includes("api.public_url")) return t("errorNoUrl");
      return error.detail.includes("incident") ? t("errorIncident") : error.detail.includes("device") ? t("errorDevice") : detail;
    case 409:
      return detail;
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
