"""ONNX: `tfviz.weights.readers`."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.campaign import Target, main
from tfviz.weights import readers


def seeds():
    tensors = [
        numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w"),
        helper.make_tensor("b", TensorProto.FLOAT, [2], [0.5, -1.0]),
        helper.make_tensor("shape", TensorProto.INT64, [3], [1, -1, 9]),
        helper.make_tensor("half", TensorProto.DOUBLE, [1], [0.25]),
    ]
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    graph = helper.make_graph([node], "net", [], [], initializer=tensors)
    return [helper.make_model(graph).SerializeToString()]


TARGET = Target(".onnx", seeds, readers.read)

if __name__ == "__main__":
    main("onnx")
