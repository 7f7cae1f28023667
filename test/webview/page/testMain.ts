/** The webview's bundle with its report store in reach of the tests. */
import "../../../webview/main.ts";
import { docKey } from "../../../webview/parts/page.ts";
import { reportStore } from "../../../webview/parts/reportStore.ts";

Object.assign(globalThis, { reportStore, docKey });
