/** All commands, in the order of the help. */
import { analyze } from "./analyze.ts";
import { apply } from "./apply.ts";
import { bench } from "./bench.ts";
import { check } from "./check.ts";
import type { Command } from "./command.ts";
import { convert } from "./convert.ts";
import { diff } from "./diff.ts";
import { evaluate } from "./eval.ts";
import { extract } from "./extract.ts";
import { inspect } from "./inspect.ts";
import { explain } from "./explain.ts";
import { list } from "./list.ts";
import { optimize } from "./optimize.ts";
import { plan } from "./plan.ts";
import { validate } from "./validate.ts";

export const COMMANDS: readonly Command[] = [
  inspect,
  list,
  analyze,
  plan,
  apply,
  optimize,
  diff,
  explain,
  evaluate,
  bench,
  validate,
  check,
  convert,
  extract,
];
