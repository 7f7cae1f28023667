/** Texts of the Analysis page. */
import { plural } from "../../src/shared/format.ts";

export const analysis = {
  analyzers: "Analyzers",
  families: {
    sensitivity: "Sensitivity",
    redundancy: "Redundancy",
    cost: "Cost",
  } as Readonly<Record<string, string>>,
  none: "No analyzer applies to this format.",
  choose:
    "Choose an analyzer to see what costs, what is sensitive and what is redundant, or look at everything that needs no data.",
  overview: "Analyze without data",
  details: "Details",
  run: "Analyze",
  running: "Analyzing…",
  dataMissing: "This analyzer needs data.",
  usedData: (data: string | null, need: string): string =>
    need === "none"
      ? ""
      : data === null
        ? "Without data; with data it tells more."
        : `With ${data}`,
  runOf: "Run",
  findings: "Findings",
  noFindings: "Nothing stands out.",
  noData: "From the weights and the graph alone.",
  measuredOn: (data: string): string => `Measured on ${data}`,
  target: "Layer or tensor",
  table: "Figures of the report",
  colourBy: "Figure",
  showInGraph: "Colour the graph by it",
  heatMap: (runs: number): string => `Heat map: layers × ${runs} runs`,
  /** Heading of a run with default parameters. */
  defaults: "defaults",
  charts: "Charts",
  moreCharts: (count: number): string =>
    `${plural(count, "more chart")}: select a row of the table to see its own.`,
  vertical: (low: string, high: string): string => `vertical: ${low} to ${high}`,
  chartLabel: (title: string, target: string, low: string, high: string, n: number): string =>
    `${title}${target === "" ? "" : `, ${target}`}: ${n} points from ${low} to ${high}.`,
} as const;
