/** Matrix products, embedding tables, recurrent layers. */
import type { Tags } from "../atoms.ts";
import { meet } from "./elementwise.ts";
import { at, input, output, type Rule, type RuleTable } from "./rule.ts";

/** A [M, K] times B [K, N] plus C, each of A and B transposed on request. */
const gemm: Rule = (t, node) => {
  const [a, b, c] = [input(node, 0), input(node, 1), input(node, 2)];
  const [ka, kb] = [t.int(node, "transA", 0) === 1 ? 0 : 1, t.int(node, "transB", 0) === 1 ? 1 : 0];
  const [data, read, made] = [t.tags(a, ka), t.tags(b, kb), t.tags(b, 1 - kb)];
  t.atoms.unify(data, read, `${at(t, node)} reads channels that cannot go`);
  if (data && read)
    t.roles.push({ node, kind: "consumer", data: 0, weight: 1, axis: kb, tags: read });
  if (made) t.roles.push({ node, kind: "producer", data: 0, weight: 1, axis: 1 - kb, tags: made });
  if (c !== "" && t.dims(c)?.at(-1) !== 1 && t.rank(c) > 0)
    t.atoms.unify(t.tags(c, -1), made, `the bias of ${at(t, node)} has another size`);
  const rows = t.tags(a, 1 - ka);
  if (c !== "" && t.rank(c) === 2 && t.dims(c)?.[0] !== 1)
    t.atoms.unify(t.tags(c, 0), rows, `the bias of ${at(t, node)} has a row for each`);
  t.set(output(node), [rows, made]);
};

const matMul: Rule = (t, node) => {
  const [a, b] = [input(node, 0), input(node, 1)];
  const [ra, rb] = [t.rank(a), t.rank(b)];
  if (ra === 0 || rb === 0) {
    for (const name of [a, b]) t.pin(name, `a shape at ${at(t, node)} is not known`);
    return;
  }
  const kb = rb === 1 ? -1 : -2;
  const [left, right] = [t.tags(a, -1), t.tags(b, kb)];
  const made = rb === 1 ? null : t.tags(b, -1);
  const rows = ra === 1 ? null : t.tags(a, -2);
  const fixed = { a: t.isConstant(a), b: t.isConstant(b) };
  if (left && right && !fixed.a && !fixed.b) {
    const reason = `${at(t, node)} sums over them in a product of two activations`;
    t.atoms.pin(left, reason);
    t.atoms.pin(right, reason);
  }
  t.atoms.unify(left, right, `${at(t, node)} reads channels that cannot go`);
  if (left && right && fixed.a !== fixed.b) {
    const [data, weight, axis] = fixed.b ? [0, 1, rb + kb] : [1, 0, ra - 1];
    t.roles.push({ node, kind: "consumer", data, weight, axis, tags: right });
  }
  if (fixed.b && made)
    t.roles.push({ node, kind: "producer", data: 0, weight: 1, axis: rb - 1, tags: made });
  if (fixed.a && rows)
    t.roles.push({ node, kind: "producer", data: 1, weight: 0, axis: ra - 2, tags: rows });
  const dims = t.dims(output(node)) ?? [];
  const own = (ra === 1 ? 0 : 1) + (rb === 1 ? 0 : 1);
  const batch = dims.slice(0, dims.length - own).map((dim, axis): Tags | null => {
    const fromEnd = dims.length - own - axis;
    // Batch axes lie before the matrix, of which a vector has one axis only.
    const names = [a, b].filter((name) => t.rank(name) >= fromEnd + 2);
    return meet(t, node, names, fromEnd + 2, dim);
  });
  t.set(output(node), [...batch, ...(ra === 1 ? [] : [rows]), ...(rb === 1 ? [] : [made])]);
};

/** A table's own axis is looked up, so it stays; its other axes pass. */
const gather: Rule = (t, node) => {
  const [data, indices] = [input(node, 0), input(node, 1)];
  const rank = t.rank(data);
  const given = t.int(node, "axis", 0);
  const axis = given < 0 ? given + rank : given;
  const held = t.constant(data);
  // An untouched axis of a constant needs no number per index.
  if (!held || held.axes[axis]) t.pinAxis(data, axis, `${at(t, node)} picks some of them`);
  const all = Array.from({ length: rank }, (_, i) => (i === axis ? null : t.tags(data, i)));
  const picked = Array.from({ length: t.rank(indices) }, () => null);
  t.pin(indices, `${at(t, node)} uses them as indices`);
  if (held && rank > 1)
    all.forEach((tags, i) => {
      if (tags) t.roles.push({ node, kind: "producer", data: 1, weight: 0, axis: i, tags });
    });
  t.set(output(node), [...all.slice(0, axis), ...picked, ...all.slice(axis + 1)]);
};

/** W is [directions, gates·hidden, input]; the hidden state keeps its size. */
const recurrent: Rule = (t, node) => {
  const [x, w] = [input(node, 0), input(node, 1)];
  const [data, read] = [t.tags(x, 2), t.tags(w, 2)];
  t.atoms.unify(data, read, `${at(t, node)} reads channels that cannot go`);
  if (data && read)
    t.roles.push({ node, kind: "consumer", data: 0, weight: 1, axis: 2, tags: read });
  for (const name of [x, ...node.inputs.slice(2)])
    t.allTags(name).forEach((tags, axis) => {
      if (name !== x || axis !== 2) t.atoms.pin(tags, `${at(t, node)} uses them as state`);
    });
};

export const matrixRules: RuleTable = {
  Gemm: gemm,
  MatMul: matMul,
  Gather: gather,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
};
