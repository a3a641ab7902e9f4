"""The peak of fused multiply-adds: `fma_peak.cpp`, compiled for the instruction set that the native core uses."""

import subprocess
import tempfile
from pathlib import Path

from rcekd.kernels import _native

SOURCE = Path(__file__).with_suffix(".cpp")
FLAGS = {"avx512": ["-mavx512f"], "avx2": ["-mavx2", "-mfma"]}


def fma_peak() -> float:
    """Float32 operations per second that one core reaches in registers alone; needs g++ and AVX2 or AVX-512."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "fma_peak"
        subprocess.run(["g++", "-O3", *FLAGS[_native.isa()], str(SOURCE), "-o", str(program)], check=True)
        return float(subprocess.run([program, "1.0"], capture_output=True, text=True, check=True).stdout)
