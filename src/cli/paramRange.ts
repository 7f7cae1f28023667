/** Parameters of techniques in words, for lists and documentation. */
import type { Param } from "../shared/params.ts";

/** What a parameter accepts, in one phrase. */
export function paramRange(param: Param): string {
  switch (param.type) {
    case "flag":
      return "true or false";
    case "text":
      return param.required === true ? "text" : "text, or nothing";
    case "choice":
      return param.of.join(", ");
    case "number": {
      const range = param.of ? param.of.join(", ") : `${param.min} to ${param.max}`;
      return param.unit === undefined ? range : `${range} ${param.unit}`;
    }
  }
}
