/** Starts the page. */
import { render } from "preact";
import { App, startTitle } from "./app";
import { startClock } from "./clock";
import { startRouter } from "./router";
import { begin } from "./session";
import { startSound } from "./sound";
import { startTheme } from "./theme";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/board.css";
import "./style/views.css";
import "./style/office.css";

startTheme();
startClock();
void begin();
startRouter();
startSound();
startTitle();
const page = document.getElementById("page");
if (page !== null) render(<App />, page);
