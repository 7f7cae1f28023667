"""Verdicts of the ONNX checker: python check.py LIST prints {onnx, verdicts: {file: [plain, full]}}.

LIST is a text file with one path a line. A verdict is null for an accepted model, else the message.
"""

import json
import sys

import onnx
from onnx import checker


def verdict(path: str, full: bool):
    try:
        checker.check_model(path, full_check=full)
        return None
    except Exception as error:  # whatever the checker raises is its verdict
        return f"{type(error).__name__}: {error}"[:600]


paths = open(sys.argv[1]).read().split("\n")
verdicts = {path: [verdict(path, False), verdict(path, True)] for path in paths if path}
print(json.dumps({"onnx": onnx.__version__, "verdicts": verdicts}))
