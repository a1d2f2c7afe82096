"""Safetensors: `tfviz.weights.readers`."""

from tests.fuzz.campaign import Target, main
from tests.weights.test_readers import entry, safetensors
from tfviz.weights import readers


def seeds():
    both = {"module.a": entry("F32", [2, 3], 0, 24), "module.b": entry("BF16", [2], 24, 28)}
    alone = {"__metadata__": {"format": "pt"}, "a": entry("F16", [], 0, 2)}
    return [
        safetensors(both, bytes(28)),
        safetensors(alone, bytes(2)),
        safetensors({"n": entry("I64", [0], 0, 0)}),
    ]


TARGET = Target(".safetensors", seeds, readers.read)

if __name__ == "__main__":
    main("safetensors")
