/** Who has no session gives the token once; it is sent and forgotten. */
import { useSignal } from "@preact/signals";
import { ApiError } from "../api";
import { t } from "../i18n";
import { describe } from "../problems";
import { enter, loginError } from "../session";

export function Login() {
  const token = useSignal("");
  const busy = useSignal(false);
  const error = loginError.value;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || token.value === "") return;
    busy.value = true;
    await enter(token.value.trim());
    busy.value = false;
  };
  return (
    <main class="login" id="main">
      <form onSubmit={(event) => void submit(event)}>
        <img src="/icon.svg" alt="" width="72" height="72" />
        <h1>{t("loginTitle")}</h1>
        <label for="token">{t("loginToken")}</label>
        <input
          id="token"
          data-testid="login-token"
          type="password"
          autocomplete="current-password"
          autofocus
          value={token.value}
          onInput={(event) => (token.value = event.currentTarget.value)}
        />
        <p class="hint">{t("loginHint")}</p>
        {error !== null && (
          <p class="error" role="alert" data-testid="error">
            {error instanceof ApiError && error.status === 401 ? t("loginWrong") : describe(error)}
          </p>
        )}
        <button class="primary" type="submit" data-testid="login-submit" disabled={busy.value || token.value === ""}>
          {busy.value ? t("sending") : t("loginSubmit")}
        </button>
      </form>
    </main>
  );
}
