"""Every figure, from arrays; the only room that knows colours and sizes."""

from tfviz.figures import defaults as defaults  # before Matplotlib
from tfviz.figures.pictures import (
    captioned_pictures,
    centred,
    effective_fields,
    fields_on_picture,
    maps_over_picture,
    numbered_tiles,
    picture_table,
    scaled,
    stretched,
)
from tfviz.figures.plots import (
    confusion_matrix,
    curves,
    fractions,
    function_and_copy,
    gabor_sizes,
    line_panels,
    log_lines,
    reached,
    receptive_cones,
    two_bundles,
    two_criteria,
    two_panels,
)
from tfviz.figures.style import as_png, save

__all__ = [
    "as_png",
    "captioned_pictures",
    "centred",
    "confusion_matrix",
    "curves",
    "effective_fields",
    "fields_on_picture",
    "fractions",
    "function_and_copy",
    "gabor_sizes",
    "line_panels",
    "log_lines",
    "maps_over_picture",
    "numbered_tiles",
    "picture_table",
    "reached",
    "receptive_cones",
    "save",
    "scaled",
    "stretched",
    "two_bundles",
    "two_criteria",
    "two_panels",
]
