/** The families of techniques as commands: which there are, their ids and their icons. */

export type CommandFamily = keyof typeof FAMILY_COMMANDS;

/** In the order of menus. */
export const FAMILY_COMMANDS = {
  quantize: { icon: "$(symbol-numeric)" },
  prune: { icon: "$(filter)" },
  lowrank: { icon: "$(split-horizontal)" },
  share: { icon: "$(references)" },
  graph: { icon: "$(wand)" },
  repair: { icon: "$(tools)" },
  edit: { icon: "$(edit)" },
} as const;

const isFamily = (name: string): name is CommandFamily => Object.hasOwn(FAMILY_COMMANDS, name);

/** The families that have at least one technique. */
export function familiesOf(
  catalog: readonly { readonly family: string }[],
): readonly CommandFamily[] {
  const present = new Set(catalog.map((entry) => entry.family));
  return Object.keys(FAMILY_COMMANDS)
    .filter(isFamily)
    .filter((family) => present.has(family));
}

/**
 * The family's command: on the open editor as an undoable edit, or (`files`) on files of the
 * explorer, which writes new files beside them.
 */
export const commandOf = (family: CommandFamily, on: "editor" | "files" = "editor"): string =>
  `lathe.${family}${on === "files" ? "Files" : ""}`;
