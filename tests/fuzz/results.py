"""Stored results: `tfviz.experiment.store`."""

import json
from dataclasses import asdict

from tests.fuzz.campaign import Target, main
from tfviz.experiment import store
from tfviz.experiment.part import Number
from tfviz.files.atomic import as_json
from tfviz.files.hashes import json_sha256


def seeds():
    done = store.PartResult(
        "conv1_units",
        "done",
        {
            "activation_channel_1": Number(3.5, "", "alexnet"),
            "spread": Number(1.0, spread=(0.5, 1.5), repeats=3),
        },
        facts={"names": ["a", "b"], "nested": {"x": [1, 2.5, None, True]}},
        settings={"steps": 20, "rate": 0.1},
        provenance={"fingerprint": "f", "seconds": 1.5, "seed": 0, "network": None},
    )
    failed = store.PartResult("class_image", "failed", reason="weights.pth is cut off.")
    return [as_json(asdict(result)).encode() for result in (done, failed)]


def pack(content):
    """An object with the hash that it should have; all else as it is."""
    try:
        stored = json.loads(content)
        stored["sha256"] = json_sha256({key: value for key, value in stored.items() if key != "sha256"})
        return json.dumps(stored).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return content


TARGET = Target(".json", seeds, store.PartResult.load, pack)

if __name__ == "__main__":
    main("results")
