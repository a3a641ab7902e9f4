"""Build of the native core: every csrc/cpu operation once per instruction set, linked into one extension module.

The build needs a C++17 compiler and Cython, and neither torch nor numpy: the core takes raw pointers.
`RCEKD_ISA` (scalar, avx2, avx512) chooses at run time; nothing is compiled for "this machine".
"""

import os
import platform
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
COMMON_FLAGS = ["-std=c++17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
ISA_FLAGS = {
    "scalar": [],
    "avx2": ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mpopcnt"],
    "avx512": ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mpopcnt", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
    + ["-mprefer-vector-width=512"],
}
# Compiled once, for the oldest processor supported; everything else in csrc/cpu is an operation, compiled per ISA.
ONCE = {"dispatch.cpp"}


def instruction_sets() -> list[str]:
    """Names of the instruction sets this platform's compiler can build."""
    return list(ISA_FLAGS) if platform.machine() in ("x86_64", "AMD64") else ["scalar"]


class BuildNativeCore(build_ext):
    """Compiles csrc/cpu per instruction set before the extension is linked."""

    def build_extension(self, ext: Extension) -> None:
        extra = os.environ.get("RCEKD_CXXFLAGS", "").split()
        include = ["-I" + str(ROOT / "csrc" / "include"), "-I" + str(ROOT / "csrc" / "cpu")]
        isas = instruction_sets()
        have = [f"-DRCEKD_HAVE_{isa.upper()}=1" for isa in isas]
        objects: list[str] = []
        for source in sorted((ROOT / "csrc" / "cpu").glob("*.cpp")):
            variants = [("once", [])] if source.name in ONCE else [(isa, ISA_FLAGS[isa]) for isa in isas]
            for isa, flags in variants:
                out = Path(self.build_temp) / isa
                out.mkdir(parents=True, exist_ok=True)
                relative = os.path.relpath(source)
                objects += self.compiler.compile(
                    [relative],
                    output_dir=str(out),
                    extra_postargs=[*COMMON_FLAGS, *flags, *include, *have, f"-DRCEKD_ISA={isa}", *extra],
                    depends=self.headers(),
                )
        ext.extra_objects = objects
        ext.extra_compile_args = [*COMMON_FLAGS, *include, "-Wno-unused-function", *extra]
        ext.extra_link_args = ["-fopenmp", *[flag for flag in extra if flag.startswith("-fsanitize")]]
        super().build_extension(ext)

    @staticmethod
    def headers() -> list[str]:
        return [str(path) for path in sorted((ROOT / "csrc").rglob("*.h"))]


native = Extension(
    "rcekd.kernels._native",
    sources=["rcekd/kernels/_native.pyx"],
    language="c++",
    depends=BuildNativeCore.headers() + [os.path.relpath(p) for p in sorted((ROOT / "csrc" / "cpu").glob("*.cpp"))],
)

setup(
    ext_modules=cythonize([native], language_level=3, compiler_directives={"embedsignature": True}),
    cmdclass={"build_ext": BuildNativeCore},
)
