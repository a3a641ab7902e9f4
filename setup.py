"""Build of the native core: every csrc/cpu operation once per instruction set, linked into one extension module.

The build needs a C++17 compiler and Cython, and neither torch nor numpy: the core takes raw pointers.
`RCEKD_ISA` (scalar, avx2, avx512) chooses at run time; nothing is compiled for "this machine".
`RCEKD_CXXFLAGS` adds compiler flags. Objects are kept in build/objects and compiled again only when they have to be.
"""

import hashlib
import os
import platform
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("csrc/cpu")
OBJECTS = Path("build/objects")
# What an operation's source may include: a change of any of these compiles everything again.
SHARED = sorted(path for path in Path("csrc").rglob("*") if path.suffix in {".h", ".def"})
INCLUDE = ["-Icsrc/include", f"-I{CORE}"]
COMMON_FLAGS = ["-std=c++17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
AVX2_FLAGS = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mpopcnt"]
AVX512_FLAGS = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
ISA_FLAGS = {"scalar": [], "avx2": AVX2_FLAGS, "avx512": AVX2_FLAGS + AVX512_FLAGS}
# Compiled once, for the oldest processor supported; everything else in csrc/cpu is an operation, compiled per ISA.
ONCE = {"dispatch.cpp"}


def instruction_sets() -> list[str]:
    """Names of the instruction sets this platform's compiler can build."""
    return list(ISA_FLAGS) if platform.machine() in ("x86_64", "AMD64") else ["scalar"]


def up_to_date(object_file: Path, sources: list[Path]) -> bool:
    """Whether the object is younger than all it is made of."""
    return object_file.exists() and object_file.stat().st_mtime > max(path.stat().st_mtime for path in sources)


class BuildNativeCore(build_ext):
    """Compiles csrc/cpu per instruction set before the extension is linked."""

    def build_extension(self, ext: Extension) -> None:
        extra = os.environ.get("RCEKD_CXXFLAGS", "").split()
        have = [f"-DRCEKD_HAVE_{isa.upper()}=1" for isa in instruction_sets()]
        jobs = [
            (source, isa, [*COMMON_FLAGS, *ISA_FLAGS[isa], *INCLUDE, *have, f"-DRCEKD_ISA={isa}", *extra])
            for source in sorted(CORE.glob("*.cpp"))
            for isa in (["scalar"] if source.name in ONCE else instruction_sets())
        ]
        with ThreadPoolExecutor(self.parallel or os.cpu_count()) as pool:
            ext.extra_objects = [str(path) for path in pool.map(lambda job: self.compile_object(*job), jobs)]
        ext.extra_compile_args = [*COMMON_FLAGS, *INCLUDE, "-Wno-unused-function", *extra]
        ext.extra_link_args = ["-fopenmp", *[flag for flag in extra if flag.startswith("-fsanitize")]]
        super().build_extension(ext)

    def compile_object(self, source: Path, isa: str, flags: list[str]) -> Path:
        """Compile one source for one instruction set, unless build/objects has it; whole or not at all."""
        command = repr((vars(self.compiler).get("compiler_so"), vars(self.compiler).get("compiler_so_cxx"), flags))
        kept = OBJECTS / hashlib.sha256(command.encode()).hexdigest()[:12] / f"{source.stem}.{isa}.o"
        if not up_to_date(kept, [source, *SHARED]):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                (made,) = self.compiler.compile([str(source)], output_dir=scratch, extra_postargs=flags)
                os.replace(made, kept)
        return kept


native = Extension(
    "rcekd.kernels._native",
    sources=["rcekd/kernels/_native.pyx"],
    language="c++",
    depends=["setup.py", *map(str, [*SHARED, *sorted(CORE.glob("*.cpp")), *sorted(Path("rcekd").rglob("*.pxi"))])],
)

setup(
    ext_modules=cythonize([native], language_level=3, compiler_directives={"embedsignature": True}),
    cmdclass={"build_ext": BuildNativeCore},
)
