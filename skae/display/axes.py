"""Axes to draw on, and figures that have room for what is written around them."""

import numpy as np

MARGIN = 0.4  # inches around a figure of ours, half on each side
CELL = 0.75  # inches that an image is wide or high at most
LINE = 0.2  # inches that an image is high at least, for the name at its side
LONGEST = 40  # inches that a row of images is long at most


def import_pyplot():
    """Return matplotlib.pyplot, which is optional."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'Displays need matplotlib, which is not installed: pip install "skae[plot]".'
        ) from error
    return plt


def new_axes(ax, size=(5.2, 3.9)):
    """Return the axes to draw on and their figure; for None new ones, of this size in inches."""
    if ax is None:
        figure, ax = import_pyplot().subplots(figsize=size, layout="none")
        figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return ax, ax.figure


def make_room(figure):
    """Make a figure of ours, all axes until now, so large that it holds the text around them."""
    from matplotlib.transforms import Bbox

    ax = figure.axes[0]
    around = Bbox.union([a.get_tightbbox(for_layout_only=True) for a in figure.axes])
    inner = Bbox.union([a.bbox for a in figure.axes])
    # No layout makes room for these in the direction in which they are written.
    across = [text.get_window_extent().width for text in (ax.title, ax.xaxis.label)]
    upwards = ax.yaxis.label.get_window_extent().height
    size = np.maximum(figure.bbox.size, (max(across), upwards))
    before, after = inner.min - around.min, around.max - inner.max
    before, size, after = (pixels / figure.dpi for pixels in (before, size, after))
    total = before + size + after + MARGIN
    figure.set_size_inches(total)
    # The layout starts from here; an image that does not fill its place would mislead it.
    (left, bottom), (right, top) = before + MARGIN / 2, before + size + MARGIN / 2
    (w, h) = total
    figure.subplots_adjust(left=left / w, bottom=bottom / h, right=right / w, top=top / h)
    figure.set_layout_engine("tight")


def size_in_inches(images, cell=CELL):
    """Return the width and height in inches of images side by side, (rows, columns, ...)."""
    n_rows, n_columns, height, width, *_ = images.shape
    pixels = np.array([n_columns * (width + 1), n_rows * (height + 1)])
    per_pixel = max(cell / (max(height, width) + 1), LINE / (height + 1))
    return pixels * min(per_pixel, LONGEST / pixels.max())
