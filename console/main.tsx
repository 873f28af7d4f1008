import { render } from "preact";
import { App } from "./app.tsx";
import "./styles/main.css";
import { applyTheme } from "./shell/theme.ts";

applyTheme();
render(<App />, document.getElementById("app")!);
