"""Simplifies a model with its tool's defaults. usage: simplify.py onnxslim|onnxsim|onnxruntime MODEL OUT"""
import sys

tool, source, target = sys.argv[1:4]
if tool == "onnxslim":
    import onnxslim

    onnxslim.slim(source, target)
elif tool == "onnxsim":
    # Where torch is installed onnxsim imports it, which costs seconds and 700 MB and changes nothing here.
    sys.modules["torch"] = None
    import onnx
    import onnxsim

    model, _ = onnxsim.simplify(onnx.load(source))
    onnx.save(model, target)
else:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = target
    options.log_severity_level = 3
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
