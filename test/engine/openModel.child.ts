/** Opens a model in a process of its own and says what that took. */
import { openModel } from "../../src/engine/files.ts";

const start = performance.now();
openModel(process.argv[2] ?? "");
const ms = performance.now() - start;
process.stdout.write(JSON.stringify({ ms, mb: process.resourceUsage().maxRSS / 1024 }));
