"""Build of the native core: every csrc/cpu operation once per instruction set, linked into one extension module; and
where nvcc is found, every csrc/cuda source, linked into a library of its own beside it (docs/cuda.md).

The build needs a C++17 compiler and Cython, and neither torch nor numpy: the core takes raw pointers.
`RCEKD_ISA` (scalar, avx2, avx512) chooses at run time; nothing is compiled for "this machine".
`RCEKD_CXXFLAGS` adds compiler flags. `RCEKD_CUDA=0` leaves CUDA out, `RCEKD_CUDA_ARCHS` names the GPUs to compile for
(like 80,90; "all" for those of a release). Objects are kept in build/objects and compiled again only when they have to
be.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

CORE = Path("csrc/cpu")
OBJECTS = Path("build/objects")
INCLUDE = ["-Icsrc/include", f"-I{CORE}"]
COMMON_FLAGS = ["-std=c++17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
AVX2_FLAGS = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mpopcnt"]
AVX512_FLAGS = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
ISA_FLAGS = {"scalar": [], "avx2": AVX2_FLAGS, "avx512": AVX2_FLAGS + AVX512_FLAGS}
# Compiled once, for the oldest processor supported; everything else in csrc/cpu is an operation, compiled per ISA.
ONCE = {"dispatch.cpp"}

CUDA = Path("csrc/cuda")
CUDA_LIBRARY = "_cuda.so"
# Machine code for these, and PTX of the oldest, which the driver compiles for any younger GPU when it loads it.
RELEASE_ARCHS = ["80", "86", "89", "90", "100", "120"]
PTX_ARCH = "80"
DEVELOPMENT_ARCHS = ["90"]
# Products and sums are contracted nowhere, as on the CPU: where one rounding is meant, the source says fmaf.
CUDA_FLAGS = ["-std=c++17", "-O3", "-fmad=false", "-Xcompiler", "-fPIC,-ffp-contract=off,-Wall"]


def headers(folder: Path) -> list[Path]:
    """What a source of this folder may include: a change of any of these compiles all of its sources again."""
    return sorted(p for part in (Path("csrc/include"), folder) for p in part.rglob("*") if p.suffix in {".h", ".def"})


def instruction_sets() -> list[str]:
    """Names of the instruction sets this platform's compiler can build."""
    return list(ISA_FLAGS) if platform.machine() in ("x86_64", "AMD64") else ["scalar"]


def up_to_date(object_file: Path, sources: list[Path]) -> bool:
    """Whether the object is younger than all it is made of."""
    return object_file.exists() and object_file.stat().st_mtime > max(path.stat().st_mtime for path in sources)


def find_nvcc() -> str | None:
    """The CUDA compiler, None where it is not there or not wanted."""
    if os.environ.get("RCEKD_CUDA") == "0":
        return None
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("nvcc") or shutil.which("nvcc", path=f"{home}/bin")


def cuda_targets(nvcc: str) -> list[str]:
    """nvcc's options for the GPUs to compile for."""
    wanted = os.environ.get("RCEKD_CUDA_ARCHS", "").replace(",", " ").split() or DEVELOPMENT_ARCHS
    known = subprocess.run([nvcc, "--list-gpu-arch"], check=True, capture_output=True, text=True).stdout.split()
    if wanted == ["all"]:
        wanted = [arch for arch in RELEASE_ARCHS if f"compute_{arch}" in known]
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in wanted]
    return [f"-gencode=arch=compute_{PTX_ARCH},code=compute_{PTX_ARCH}", *targets]


class BuildNativeCore(build_ext):
    """Compiles csrc/cpu per instruction set before the extension is linked, and csrc/cuda after it."""

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
        self.force = True  # setuptools does not see that the objects are others, by other flags, and would link nothing
        super().build_extension(ext)
        self.build_cuda(Path(self.get_ext_fullpath(ext.name)).with_name(CUDA_LIBRARY))

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        for ext in self.extensions:
            made = Path(self.build_lib, *ext.name.split(".")).with_name(CUDA_LIBRARY)
            place = Path(*ext.name.split(".")).with_name(CUDA_LIBRARY)
            if made.exists():
                shutil.copy2(made, place)
            else:
                place.unlink(missing_ok=True)

    def build_cuda(self, library: Path) -> None:
        """Compile and link csrc/cuda; nothing, and no library, without nvcc."""
        nvcc = find_nvcc()
        library.unlink(missing_ok=True)
        if nvcc is None:
            return
        flags = [*CUDA_FLAGS, "-Icsrc/include", f"-I{CUDA}", *cuda_targets(nvcc)]
        with ThreadPoolExecutor(self.parallel or os.cpu_count()) as pool:
            objects = list(pool.map(lambda source: self.compile_cuda(nvcc, source, flags), sorted(CUDA.glob("*.cu"))))
        self.nvcc([nvcc, "-shared", "-cudart", "static", *map(str, objects), "-o", str(library)])

    def compile_cuda(self, nvcc: str, source: Path, flags: list[str]) -> Path:
        """Compile one source, unless build/objects has it; whole or not at all."""
        kept = OBJECTS / hashlib.sha256(repr([nvcc, *flags]).encode()).hexdigest()[:12] / f"{source.stem}.cu.o"
        if not up_to_date(kept, [source, *headers(CUDA)]):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                made = Path(scratch, kept.name)
                self.nvcc([nvcc, *flags, "-c", str(source), "-o", str(made)])
                os.replace(made, kept)
        return kept

    def nvcc(self, command: list[str]) -> None:
        """CompileError with nvcc's words where it fails."""
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise CompileError(f"{' '.join(command)}\n{done.stdout}\nRCEKD_CUDA=0 builds without the CUDA kernels")

    def compile_object(self, source: Path, isa: str, flags: list[str]) -> Path:
        """Compile one source for one instruction set, unless build/objects has it; whole or not at all."""
        command = repr((vars(self.compiler).get("compiler_so"), vars(self.compiler).get("compiler_so_cxx"), flags))
        kept = OBJECTS / hashlib.sha256(command.encode()).hexdigest()[:12] / f"{source.stem}.{isa}.o"
        if not up_to_date(kept, [source, *headers(CORE)]):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                (made,) = self.compiler.compile([str(source)], output_dir=scratch, extra_postargs=flags)
                os.replace(made, kept)
        return kept


SOURCES = [*sorted(CORE.glob("*.cpp")), *sorted(CUDA.glob("*.cu")), *headers(CORE), *headers(CUDA)]
native = Extension(
    "rcekd.kernels._native",
    sources=["rcekd/kernels/_native.pyx"],
    language="c++",
    depends=["setup.py", *map(str, [*SOURCES, *sorted(Path("rcekd").rglob("*.pxi"))])],
)

setup(
    ext_modules=cythonize([native], language_level=3, compiler_directives={"embedsignature": True}),
    cmdclass={"build_ext": BuildNativeCore},
)
