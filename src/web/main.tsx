/** Starts the page: takes the token, draws, follows the daemon. */
import "./page.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { follow } from "./live_state.ts";
import { openFromAddress } from "./route.ts";
import { applyTheme } from "./theme.ts";
import { takeTokenFromAddress } from "./token.ts";

takeTokenFromAddress();
applyTheme();
openFromAddress();
const page = document.getElementById("page")!;
page.replaceChildren();
render(<App />, page);
void follow();
