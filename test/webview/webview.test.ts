/** All page tests share one browser: starting it takes longer than most of them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { analysisCases } from "./analysisCases.ts";
import { dataCases } from "./dataCases.ts";
import { diffCases } from "./diffCases.ts";
import { graphCases } from "./graphCases.ts";
import { lookCases } from "./lookCases.ts";
import { optimizeCases } from "./optimizeCases.ts";
import { openLab, type Lab } from "./pages.ts";
import { summaryCases } from "./summaryCases.ts";
import { tensorsCases } from "./tensorsCases.ts";

let lab: Lab | null = null;
before(async () => {
  lab = await openLab();
});
after(() => lab?.close());

const groups = {
  graphCases,
  summaryCases,
  tensorsCases,
  dataCases,
  analysisCases,
  optimizeCases,
  diffCases,
  lookCases,
};
for (const cases of Object.values(groups))
  for (const [name, run] of Object.entries(cases))
    test(name, async () => {
      assert.ok(lab);
      await run(lab);
      // Nothing the strict policy blocks was tried, and nothing threw.
      assert.deepEqual(lab.problems.splice(0), []);
      await lab.closePages();
    });
