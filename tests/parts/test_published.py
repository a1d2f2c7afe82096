from tfviz.parts import PARTS

PUBLISHED = {
    # What the two pieces of work report, written down apart from the program.
    "cifar_cnn": {"test_accuracy": 0.847},
    "cifar_resnet": {
        "test_accuracy": 0.8919,
        "test_loss": 0.3675,
        "epochs": 100,
        "published_network_test_accuracy": 0.8919,
        "published_network_test_loss": 0.3675,
    },
    "conv1_filters": {"conv2_inputs": 64, "conv2_outputs": 192, "conv2_kernel": 5},
    "conv1_units": {
        "activation_channel_0": 62.0380,
        "activation_channel_5": 34.98,
        "activation_channel_20": 104,
    },
    "class_image": {"published_probability": 1.0},
    "ship_to_retriever": {"published_probability": 1.0},
    "jellyfish_to_mink": {"source_probability": 0.583915, "target_probability": 0.977706},
    "receptive_fields": {
        **{f"size_network_{number}": size for number, size in enumerate((7, 7, 7, 9), 1)},
        "weights_network_1": 49,
        "weights_network_3": 34,
        "multiplications_network_1": 49 * (224 - 6) ** 2,
    },
}


def test_what_was_published_is_what_is_expected():
    found = {
        part.ID: {each.number: each.value for each in part.EXPECTED if each.kind.startswith("published")}
        for part in PARTS
    }
    assert {part: values for part, values in found.items() if values} == PUBLISHED
