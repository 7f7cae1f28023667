/** The whole path on the command line: inspect, plan, apply, diff, eval, bench, with real children and the real runtime. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { workplace, type Run } from "./lathe.ts";
import { classifier, dataset, weights } from "./models.ts";

const here = workplace();
const file = (name: string): string => path.join(here.folder, name);
const json = (run: Run): Record<string, unknown> => {
  assert.equal(run.code, 0, run.stderr + run.stdout);
  assert.equal(run.stdout.trim().split("\n").length, 1, "one line, nothing else");
  return JSON.parse(run.stdout) as Record<string, unknown>;
};
const QUANTIZE = ["-t", "quantize.weightOnly", "-p", "bits=4", "-p", "block=32"] as const;

before(() => {
  here.write({
    "model.onnx": classifier(),
    "external.onnx": classifier({ location: "external.bin" }),
    "external.bin": new Uint8Array(64 * 96 * 4),
    "model.safetensors": weights(),
    "empty.lathe.json": '{"version": 1, "entries": []}',
    ...dataset(40),
  });
});

describe("inspect", () => {
  it("tells format, size, opsets, nodes, parameters, inputs and outputs", async () => {
    const summary = json(await here.lathe("inspect", "model.onnx", "--json"));
    assert.equal(summary["format"], "onnx");
    assert.equal(summary["sizeBytes"], readFileSync(file("model.onnx")).length);
    assert.deepEqual(Object.values(summary["opsets"] as object), [17]);
    assert.equal(summary["nodes"], 5);
    assert.equal(summary["parameters"], 64 * 96 + 96 + 960);
    assert.deepEqual(summary["bytesByDtype"], { float32: (64 * 96 + 96 + 960) * 4 });
    assert.deepEqual(summary["inputs"], [{ name: "x", dtype: "float32", shape: ["batch", 64] }]);
    assert.deepEqual(summary["outputs"], [{ name: "y", dtype: "float32", shape: ["batch", 10] }]);
    assert.equal(summary["macs"], 64 * 96 + 960);
    assert.deepEqual(summary["warnings"], []);
    assert.ok(!("tensors" in summary) || typeof summary["tensors"] === "number");
  });

  it("lists every tensor with its place", async () => {
    const { tensors } = json(
      await here.lathe("inspect", "model.safetensors", "--tensors", "--json"),
    ) as {
      tensors: { name: string; shape: number[]; sizeBytes: number; offset: number; file: string }[];
    };
    assert.deepEqual(
      tensors.map(({ name, shape, sizeBytes }) => [name, shape, sizeBytes]),
      [
        ["layer.weight", [128, 64], 32768],
        ["layer.bias", [64], 256],
      ],
    );
    assert.equal(tensors[1]!.offset - tensors[0]!.offset, 32768);
    const external = json(await here.lathe("inspect", "external.onnx", "--tensors", "--json")) as {
      tensors: { name: string; file: string; offset: number }[];
    };
    const weight = external.tensors.find((tensor) => tensor.name === "fc1.weight");
    assert.match(weight?.file ?? "", /external\.bin$/);
    assert.equal(weight?.offset, 0);
  });

  it("is readable", async () => {
    const { stdout, code } = await here.lathe("inspect", "model.onnx");
    assert.equal(code, 0);
    assert.match(stdout, /^size {8}2\d\.\d kB$/m);
    assert.match(stdout, /^nodes {7}5: MatMul 2, /m);
    assert.match(stdout, /^MACs {8}[\d.]+k? per run at batch = 1$/m);
    assert.match(stdout, /^ {2}fc1\.weight +float32 +\[64, 96\] +24\.6 kB/m);
  });
});

describe("list", () => {
  it("has the techniques with parameters, bounds and defaults", async () => {
    const run = await here.lathe("list", "transforms", "--json");
    const transforms = JSON.parse(run.stdout) as { id: string; params: Record<string, object> }[];
    const ids = transforms.map(({ id }) => id);
    assert.ok(ids.includes("quantize.weightOnly") && ids.includes("graph.clean"), ids.join(" "));
    const bits = transforms.find(({ id }) => id === "quantize.weightOnly")?.params["bits"];
    assert.ok(bits && "default" in bits && "help" in bits);
  });

  it("has one row per known technique with its true state", async () => {
    const run = await here.lathe("list", "techniques", "--json");
    const rows = JSON.parse(run.stdout) as Record<string, string | null>[];
    assert.equal(rows.length, 447);
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), [
        "id",
        "row",
        "title",
        "family",
        "state",
        "technique",
        "why",
      ]);
      assert.equal(row["technique"] === null, row["why"] !== null, row["id"]!);
    }
    assert.equal(
      rows.find((row) => row["id"] === "quant-int4")?.["technique"],
      "quantize.weightOnly",
    );
  });

  it("lists the analyzers with their parameters", async () => {
    const listed = json(await here.lathe("list", "analyzers", "--json")) as unknown as {
      id: string;
      params: Record<string, unknown>;
    }[];
    const layerwise = listed.find(({ id }) => id === "sensitivity.layerwise");
    assert.ok(layerwise && "candidate" in layerwise.params);
    assert.match((await here.lathe("list", "analyzers")).stdout, /cost\.model .*\n/);
  });
});

describe("plan", () => {
  it("tells units and skips, and writes nothing", async () => {
    const listing = here.listing();
    const { entries, output } = json(
      await here.lathe("plan", "model.onnx", ...QUANTIZE, "--json"),
    ) as {
      entries: {
        transform: string;
        units: { name: string }[];
        skipped: object[];
        bytesBefore: number;
        bytesAfter: number;
      }[];
      output: null;
    };
    assert.equal(output, null);
    assert.equal(entries[0]!.transform, "quantize.weightOnly");
    assert.equal(entries[0]!.units.length, 2);
    assert.equal(entries[0]!.bytesBefore, (64 * 96 + 96 + 960) * 4);
    assert.ok(entries[0]!.bytesAfter < entries[0]!.bytesBefore / 4);
    assert.deepEqual(here.listing(), listing);
  });

  it("plans the second technique on the first one's result", async () => {
    const { entries } = json(
      await here.lathe("plan", "model.onnx", "-t", "graph.clean", ...QUANTIZE, "--json", "--quiet"),
    ) as { entries: { transform: string; units: object[] }[] };
    assert.deepEqual(
      entries.map(({ transform, units }) => [transform, units.length]),
      [
        ["graph.clean", 1],
        ["quantize.weightOnly", 2],
      ],
    );
  });
});

describe("apply", () => {
  it("writes a smaller, verified model with its recipe, as planned", async () => {
    const planned = json(await here.lathe("plan", "model.onnx", ...QUANTIZE, "--json"));
    const run = await here.lathe(
      "apply",
      "model.onnx",
      ...QUANTIZE,
      "-o",
      "int4.onnx",
      "--json",
      "--quiet",
    );
    const applied = json(run);
    assert.equal(run.stderr, "");
    assert.equal(applied["verified"], true);
    assert.equal(applied["output"], file("int4.onnx"));
    const entry = (answer: Record<string, unknown>): Record<string, unknown> =>
      (answer["entries"] as Record<string, unknown>[])[0]!;
    for (const key of ["transform", "params", "units", "skipped", "bytesBefore", "bytesAfter"])
      assert.deepEqual(entry(applied)[key], entry(planned)[key], key);
    assert.ok(readFileSync(file("int4.onnx")).length < readFileSync(file("model.onnx")).length / 3);
    const recipe = JSON.parse(readFileSync(file("int4.onnx.lathe.json"), "utf8")) as {
      entries: object[];
    };
    assert.equal(recipe.entries.length, 1);
  });

  it("gives the same bytes from the recipe", async () => {
    json(
      await here.lathe("apply", "model.onnx", "int4.onnx.lathe.json", "-o", "again.onnx", "--json"),
    );
    assert.deepEqual(readFileSync(file("again.onnx")), readFileSync(file("int4.onnx")));
  });

  it("copies a model byte for byte with an empty recipe", async () => {
    for (const name of ["model.onnx", "model.safetensors"]) {
      const copy = `copy-${name}`;
      const { entries } = json(
        await here.lathe("apply", name, "empty.lathe.json", "-o", copy, "--json"),
      );
      assert.deepEqual(entries, []);
      assert.deepEqual(readFileSync(file(copy)), readFileSync(file(name)));
    }
  });

  it("prints sizes, units, what was skipped and what not to expect", async () => {
    const run = await here.lathe("apply", "model.onnx", ...QUANTIZE, "-o", "text.onnx");
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^quantize\.weightOnly {2}bits=4 block=32/m);
    assert.match(run.stdout, /^ {2}2 units; tensor data 28\.8 kB → \d/m);
    assert.match(run.stdout, /^size {4}2\d\.\d kB → \d.* \(0\.\d+×\)$/m);
    assert.match(run.stdout, /^result {2}verified by running it$/m);
  });

  it("replaces the input only with --force", async () => {
    here.write({ "inplace.onnx": classifier() });
    const refused = await here.lathe("apply", "inplace.onnx", ...QUANTIZE, "-o", "./inplace.onnx");
    assert.equal(refused.code, 2);
    assert.deepEqual(readFileSync(file("inplace.onnx")), Buffer.from(classifier()));
    json(
      await here.lathe(
        "apply",
        "inplace.onnx",
        ...QUANTIZE,
        "-o",
        "inplace.onnx",
        "--force",
        "--json",
      ),
    );
    assert.deepEqual(readFileSync(file("inplace.onnx")), readFileSync(file("int4.onnx")));
  });

  it("puts weights in a file of their own when asked", async () => {
    const { output } = json(
      await here.lathe(
        "apply",
        "model.onnx",
        ...QUANTIZE,
        "-o",
        "ext.onnx",
        "--external-data",
        "always",
        "--json",
      ),
    );
    assert.equal(output, file("ext.onnx"));
    const { sizeBytes, files } = json(await here.lathe("inspect", "ext.onnx", "--json")) as {
      sizeBytes: number;
      files: object[];
    };
    assert.equal(files.length, 2);
    assert.ok(sizeBytes > readFileSync(file("ext.onnx")).length);
  });

  it("limits a technique to its scope", async () => {
    const { entries } = json(
      await here.lathe(
        "apply",
        "model.onnx",
        ...QUANTIZE,
        "--scope",
        "*fc1*",
        "-o",
        "scoped.onnx",
        "--json",
      ),
    ) as { entries: { units: { name: string }[] }[] };
    assert.equal(entries[0]!.units.length, 1);
    assert.match(entries[0]!.units[0]!.name, /fc1/);
  });
});

describe("eval, bench and diff", () => {
  it("measure accuracy with its interval", async () => {
    const result = json(await here.lathe("eval", "model.onnx", "--data", "dataset.json", "--json"));
    assert.equal(result["metric"], "top1");
    assert.equal(result["n"], 40);
    assert.equal(result["synthetic"], false);
    const [low, value, high] = [result["low"], result["value"], result["high"]] as number[];
    assert.ok(low! <= value! && value! <= high! && low! >= 0 && high! <= 1);
    const text = await here.lathe("eval", "model.onnx", "--data", "dataset.json", "--limit", "10");
    assert.match(text.stdout, /^Top-1 accuracy {2}.* % \(.* % to .* %\)$/m);
    assert.match(text.stdout, /n = 10$/m);
  });

  it("measure latency of one model and the ratio of two", async () => {
    const one = json(await here.lathe("bench", "model.onnx", "--runs", "5", "--json"));
    assert.equal(one["ratio"], null);
    const two = json(
      await here.lathe(
        "bench",
        "model.onnx",
        "int4.onnx",
        "--runs",
        "9",
        "--threads",
        "1",
        "--json",
      ),
    ) as {
      models: { path: string; p50Ms: number; p90Ms: number; runs: number }[];
      threads: number;
    } & Record<string, number>;
    assert.deepEqual(
      two.models.map((model) => model.path),
      ["model.onnx", "int4.onnx"],
    );
    for (const { p50Ms, p90Ms, runs } of two.models)
      assert.ok(p50Ms > 0 && p90Ms >= p50Ms && runs >= 9);
    assert.ok(two["ratioLow"]! <= two["ratio"]! && two["ratio"]! <= two["ratioHigh"]!);
    assert.equal(two.threads, 1);
  });

  it("show what differs, as text, JSON and a page", async () => {
    const answer = json(
      await here.lathe(
        "diff",
        "model.onnx",
        "int4.onnx",
        "--data",
        "dataset.json",
        "--html",
        "report.html",
        "--json",
        "--quiet",
      ),
    );
    for (const key of ["graph", "tensors", "outputs", "accuracy", "latency", "size"])
      assert.ok(key in answer, key);
    const [first] = answer["tensors"] as { name: string; sqnrDb: number }[];
    assert.ok(first && first.sqnrDb > 15 && first.sqnrDb < 30, JSON.stringify(first));
    const page = readFileSync(file("report.html"), "utf8");
    assert.match(page, /<body data-view="report">/);
    const embedded = /<script type="application\/json" id="lathe-report">(.*?)<\/script>/s.exec(
      page,
    );
    const report = JSON.parse(embedded![1]!) as { title: string; tensors: unknown };
    assert.equal(report.title, "int4.onnx");
    assert.deepEqual(report.tensors, answer["tensors"]);
    assert.doesNotMatch(page, /https?:\/\/(?!www\.w3\.org)[^"']*\.(js|css|woff2?)/);
    const text = await here.lathe("diff", "model.onnx", "int4.onnx");
    assert.match(text.stdout, /^size +2\d\.\d kB → /m);
    assert.match(text.stdout, /fc1\.weight/);
  });

  it("show it right after applying, with what was changed and what was skipped", async () => {
    const answer = json(
      await here.lathe(
        ...["apply", "model.onnx", ...QUANTIZE, "-o", "reported.onnx", "--json", "--quiet"],
        ...["--html", "applied.html", "--data", "dataset.json"],
      ),
    ) as { report: string; comparison: { accuracy: object | null } };
    assert.equal(answer.report, file("applied.html"));
    assert.ok(answer.comparison.accuracy);
    const page = readFileSync(answer.report, "utf8");
    const embedded = /id="lathe-report">(.*?)<\/script>/s.exec(page);
    const report = JSON.parse(embedded![1]!) as { entries: { units: object[] }[] };
    assert.equal(report.entries[0]!.units.length, 2);
  });

  it("check that the data fits before anything is written", async () => {
    here.write(dataset(4, 8));
    const listing = here.listing();
    const run = await here.lathe(
      ...["apply", "model.onnx", ...QUANTIZE, "-o", "never.onnx", "--html", "never.html"],
      ...["--data", "dataset.json"],
    );
    assert.equal(run.code, 2);
    assert.match(run.stderr, /samples for input "x" have shape \[8\]/);
    assert.deepEqual(here.listing(), listing);
  });
});
