/** Help texts, from the tables of commands and options. */
import type { Command } from "./command.ts";
import { COMMON_OPTIONS, optionOf, type OptionName } from "./options.ts";
import type { Style } from "./style.ts";

/** Columns of help texts: readable in any terminal. */
const WIDTH = 90;

export function overview(commands: readonly Command[], style: Style): string {
  const names = Math.max(...commands.map((command) => command.name.length));
  return [
    "Makes neural-network models (.onnx, .safetensors) smaller and faster, and shows what that did.",
    "",
    `${style.bold("Usage:")} lathe COMMAND …`,
    "",
    ...commands.flatMap((command) => hanging(`  ${command.name.padEnd(names)}  `, command.summary)),
    "",
    "`lathe COMMAND --help` shows a command's options and examples; --version the version.",
    "Exit codes: 0 done, 1 a gate or the result failed, 2 usage or bad input, 130 cancelled.",
  ].join("\n");
}

export function commandHelp(command: Command, style: Style): string {
  return [
    ...hanging("", command.summary),
    "",
    `${style.bold("Usage:")} lathe ${command.name} ${command.usage} [options]`,
    "",
    ...command.details.flatMap((paragraph) => [...hanging("", paragraph), ""]),
    style.bold("Options:"),
    ...optionLines([...command.options, ...COMMON_OPTIONS]),
    "",
    style.bold("Examples:"),
    ...command.examples.map(({ line, what }) => `  ${line}\n    ${style.dim(what)}`),
  ].join("\n");
}

/** "-o, --out OUT". */
export function optionForms(name: OptionName): string {
  const option = optionOf(name);
  const long = `--${name}${option.kind === "flag" ? "" : ` ${option.value}`}`;
  return option.short === undefined ? long : `-${option.short}, ${long}`;
}

/** What an option does, and which values it takes. */
export function optionHelp(name: OptionName): string {
  const option = optionOf(name);
  return option.kind === "text" && option.of !== undefined
    ? `${option.of.join(", ")}. ${option.help}`
    : option.help;
}

function optionLines(names: readonly OptionName[]): readonly string[] {
  const columns = Math.max(...names.map((name) => optionForms(name).length));
  return names.flatMap((name) =>
    hanging(`  ${optionForms(name).padEnd(columns)}  `, optionHelp(name)),
  );
}

/** Lines of a paragraph, the first after `label`, the others indented as far. */
function hanging(label: string, text: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && label.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((part, i) => (i === 0 ? label : " ".repeat(label.length)) + part);
}
