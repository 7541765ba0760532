/** The frame of the page: bars, header, the view that the address asks for. */
import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "./i18n";
import { route } from "./router";
import { leave, loginError, session } from "./session";
import { live, loaded, open, start } from "./store";
import { sounding } from "./sound";
import { second } from "./clock";
import { Announcer } from "./views/announcer";
import { Bars, TroubleBar } from "./views/bars";
import { Board } from "./views/board";
import { Header } from "./views/header";
import { Login } from "./views/login";
import { ErrorNote, Loading } from "./views/parts";
import { PersonDialog } from "./views/person";
import { CoverageView } from "./views/coverage";
import { DevicesView } from "./views/devices";
import { DutyView } from "./views/duty";
import { HistoryView } from "./views/history";
import { IncidentView } from "./views/incident";
import { PastView } from "./views/past";
import { ReportsView } from "./views/reports";

function View() {
  const [place, ...rest] = route.value.path;
  const key = rest.join("/");
  if (place === undefined) return <Board />;
  if (place === "incidents" && rest.length === 1) return <IncidentView key={key} id={key} />;
  if (place === "devices" && rest.length >= 2) return <HistoryView key={key} device={key} />;
  if (place === "devices" && rest.length === 0) return <DevicesView />;
  if (place === "past" && rest.length === 0) return <PastView />;
  if (place === "coverage" && rest.length === 0) return <CoverageView />;
  if (place === "duty" && rest.length === 0) return <DutyView />;
  if (place === "reports" && rest.length === 0) return <ReportsView />;
  return <p class="loading">{t("notFound")}</p>;
}

function LogOut() {
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  const press = async (): Promise<void> => {
    busy.value = true;
    try {
      await leave();
    } catch (failure) {
      error.value = failure;
    }
    busy.value = false;
  };
  return (
    <>
      <button type="button" class="quiet" data-testid="logout" disabled={busy.value} onClick={() => void press()}>
        {t("logout")}
      </button>
      <ErrorNote error={error.value} />
    </>
  );
}

function Watch() {
  useEffect(() => {
    const stop = new AbortController();
    start(stop.signal);
    return () => stop.abort();
  }, []);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {t("skip")}
      </a>
      <Bars />
      <Header />
      <TroubleBar />
      <main id="main" tabIndex={-1} class={live.value || !loaded.value ? "" : "stale"}>
        <View />
      </main>
      <footer class="foot">
        <p>{t("notPanel")}</p>
        <a href="/licences.txt" target="_blank" rel="noreferrer">
          {t("licences")}
        </a>
        <LogOut />
      </footer>
      <Announcer />
      <PersonDialog />
    </>
  );
}

/** The tab's title says how much is open, and blinks while it sounds. */
export function startTitle(): void {
  effect(() => {
    const all = open.value;
    const name = `${t("wanglou")} Wanglou`.replace("Wanglou Wanglou", "Wanglou");
    const worst = all[0];
    const blink = sounding.value !== "none" && second.value % 2 === 0;
    const head = worst && worst.state !== "resolved" ? `${blink ? "●" : ""}${t(worst.kind)} ` : "";
    document.title = all.length > 0 ? `(${all.length}) ${head}${name}` : name;
  });
}

export function App() {
  if (session.value === "unknown") return loginError.value === null ? <Loading /> : <ErrorNote error={loginError.value} />;
  return session.value === "out" ? <Login /> : <Watch />;
}
