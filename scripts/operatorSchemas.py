"""Writes src/core/validate/schemas.json: what ONNX's operator schemas allow, every version of each.

Run by developers when a new ONNX release comes (`python scripts/operatorSchemas.py`, package onnx);
the file is committed, so nothing else needs Python. Facts only: counts, names, types, no texts.
"""

import json
import pathlib

import onnx
from onnx import defs, helper

ATTRIBUTE = {
    "FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "FLOATS": "fs", "INTS": "is",
    "STRINGS": "ss", "TENSORS": "ts", "GRAPHS": "gs", "SPARSE_TENSOR": "st", "SPARSE_TENSORS": "sts",
    "TYPE_PROTO": "tp", "TYPE_PROTOS": "tps",
}
OPTION = {"Single": "", "Optional": "?", "Variadic": "*"}
name_of = lambda enum: str(enum).split(".")[-1]

types: list[str] = []
sets: list[list[int]] = []


def type_set(names) -> int:
    ids = []
    for name in sorted(names):
        if name not in types:
            types.append(name)
        ids.append(types.index(name))
    ids.sort()
    if ids not in sets:
        sets.append(ids)
    return sets.index(ids)


def parameters(schema, formal) -> str:
    out = []
    constraints = {c.type_param_str for c in schema.type_constraints}
    for p in formal:
        # A type outside the constraints is written out in the schema: a set of one.
        kind = p.type_str if p.type_str in constraints else f"={type_set([p.type_str])}"
        mixed = "~" if name_of(p.option) == "Variadic" and not p.is_homogeneous else ""
        out.append(f"{p.name}{OPTION[name_of(p.option)]}{mixed} {kind}")
    return "|".join(out)


operators: dict = {}
for schema in sorted(defs.get_all_schemas_with_history(), key=lambda s: (s.domain, s.name, s.since_version)):
    versions = operators.setdefault(schema.domain, {}).setdefault(schema.name, [])
    unbounded = 2**31 - 1
    counts = [-1 if n == unbounded else n for n in (schema.min_input, schema.max_input, schema.min_output, schema.max_output)]
    attributes = "|".join(
        f"{name} {ATTRIBUTE[name_of(a.type)]}{'!' if a.required else ''}" for name, a in sorted(schema.attributes.items())
    )
    constraints = " ".join(
        f"{c.type_param_str}={type_set(c.allowed_type_strs)}" for c in sorted(schema.type_constraints, key=lambda c: c.type_param_str)
    )
    row = [schema.since_version, counts, parameters(schema, schema.inputs), parameters(schema, schema.outputs), attributes, constraints]
    # A version without anything but its number is where the operator was removed.
    versions.append(row[:1] if schema.deprecated else row)

# What did not change since the version before is not said again.
for domain in operators.values():
    for name, versions in domain.items():
        domain[name] = [
            row[:1] + [0 if a == b else a for a, b in zip(row[1:], before[1:])] if len(row) > 1 and len(before) > 1 else row
            for row, before in zip(versions, [[0], *versions])
        ]

table = {
    "onnx": onnx.__version__,
    "ir": onnx.IR_VERSION,
    "newest": {domain: max(row[0] for rows in ops.values() for row in rows) for domain, ops in operators.items()},
    # Operator set of the default domain, and the first IR version that was released with it.
    "irOfOpset": {},
    "types": types,
    "sets": sets,
    "operators": operators,
}
for version, ir, opset, *_ in helper.VERSION_TABLE:
    table["irOfOpset"].setdefault(str(opset), ir)
table["newest"][""] = defs.onnx_opset_version()

lines = ["{"]
for key, value in table.items():
    if key != "operators":
        lines.append(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))},")
lines.append('"operators":{')
domains = list(operators.items())
for i, (domain, ops) in enumerate(domains):
    lines.append(f"{json.dumps(domain)}:{{")
    rows = [f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in ops.items()]
    lines.append(",\n".join(rows))
    lines.append("}," if i < len(domains) - 1 else "}")
lines.append("}}")
target = pathlib.Path(__file__).parent.parent / "src/core/validate/schemas.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text("\n".join(lines) + "\n")
print(target, target.stat().st_size)
