/** Names by pattern: `*` stands for any run of characters, and carries it over to the new name. */

export interface Renaming {
  /** The new name; null where the name does not match or has the new form already. */
  apply(name: string): string | null;
}

/** A reason in words where the two patterns do not fit each other. */
export function renaming(from: string, to: string): Renaming | string {
  if (from === "") return "no name or pattern to look for is given";
  if (to === "") return "no new name is given";
  const [pieces, parts] = [from.split("*"), to.split("*")];
  if (parts.length > pieces.length)
    return `"${to}" has ${parts.length - 1} stars, "${from}" has only ${pieces.length - 1}`;
  const [old, fresh] = [matcher(pieces), matcher(parts)];
  // "*" → "model.*" would otherwise go on for as long as it is applied.
  const grows = parts.join("").length > pieces.join("").length;
  return {
    apply(name) {
      const match = old.exec(name);
      if (!match || (grows && fresh.test(name))) return null;
      const renamed = parts
        .map((part, i) => (i === 0 ? part : `${match[i] ?? ""}${part}`))
        .join("");
      return renamed === name ? null : renamed;
    },
  };
}

const matcher = (pieces: readonly string[]): RegExp => {
  const escaped = pieces.map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join("(.*?)")}$`, "s");
};
