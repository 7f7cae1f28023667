/** The goal of `lathe optimize`, and other sizes, as typed. */
import { usageErrors } from "../shared/errors.ts";
import type { ModelKind } from "../shared/modelPath.ts";
import type { OptimizeGoal } from "../shared/protocol.ts";
import type { Arguments } from "./arguments.ts";

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 };

/** @throws LatheError (usage) for what is no share or size. */
export function goalOf(args: Arguments): OptimizeGoal {
  return {
    maxDrop: dropLimit(args),
    targetSize: sizeLimit(args, "target-size"),
    faster: args.flag("faster"),
  };
}

/**
 * `--max-drop` as a share: "1%" is 0.01, and so is "1", as people who leave the sign out mean per cent.
 * @throws LatheError (usage) for what is no share.
 */
export function dropLimit(args: Arguments): number | null {
  const text = args.text("max-drop");
  if (text === null) return null;
  const value = Number(/^\s*([0-9.]+)\s*%?\s*$/.exec(text)?.[1] ?? NaN);
  if (!(value >= 0 && value <= 100))
    throw usageErrors.badOptionValue("--max-drop", text, "per cent from 0 to 100, for example 1%");
  return value / 100;
}

/** A size in bytes, or a share of another. @throws LatheError (usage) for what is neither. */
export function sizeLimit(
  args: Arguments,
  option: "target-size" | "max-size" | "max-shard-size",
): OptimizeGoal["targetSize"] {
  const text = args.text(option);
  if (text === null) return null;
  const [, digits = "", unit = ""] = /^\s*([0-9.]+)\s*(%|[KMG]?B)\s*$/i.exec(text) ?? [];
  const value = Number(digits);
  if (digits === "" || !(value > 0) || (unit === "%" && value > 100))
    throw usageErrors.badOptionValue(
      `--${option}`,
      text,
      "a share such as 25%, or a size such as 10MB",
    );
  return unit === "%"
    ? { share: value / 100 }
    : { bytes: Math.floor(value * (UNITS[unit.toUpperCase()] ?? 1)) };
}

/** Bytes of tensor data per shard, where the output has shards. @throws LatheError (usage) */
export function shardLimit(args: Arguments, kind: ModelKind | null): number | null {
  const limit = sizeLimit(args, "max-shard-size");
  if (limit === null) return null;
  const text = args.text("max-shard-size") ?? "";
  if (kind !== "shards")
    throw usageErrors.badOptionValue(
      "--max-shard-size",
      text,
      "left out, or OUT must end in .safetensors.index.json",
    );
  if ("share" in limit)
    throw usageErrors.badOptionValue("--max-shard-size", text, "a size such as 2GB");
  return limit.bytes;
}
