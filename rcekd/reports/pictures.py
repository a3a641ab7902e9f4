"""Pictures that commands draw: their colours, and the files they go into."""

from pathlib import Path

from rcekd.errors import InputError

FORMATS = (".svg", ".png", ".pdf")
# Okabe & Ito's, told apart with every kind of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def check_picture(path: Path) -> None:
    """InputError where --plot asks for a picture of no known kind."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {path}: expected a name that ends in {', '.join(FORMATS)}")
