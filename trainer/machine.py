"""What is running here: processor, memory, GPU, versions; and a real test of the major parts (`trainer check`)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trainer.programs import quiet
from trainer.workers import minutes

# the compute capabilities that the wheels of TensorFlow 2.21 hold kernels for; newer ones only if the driver can compile
OLDEST_CAPABILITY, NEWEST_CAPABILITY = 6.0, 9.0
WIDTH = 80


class MachineError(Exception):
    """Something that is missing here; one line with the way out."""


@dataclass(frozen=True)
class Machine:
    """Facts for summaries and experiment.json; memory in MB."""

    cpu: str
    cores: int
    memory_mb: int
    gpus: tuple[str, ...]


def cores() -> int:
    """Cores that this process may use, container limits included."""
    allowed = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.exists():
        limit, period = quota.read_text().split()
        if limit != "max":
            allowed = min(allowed, max(1, int(limit) // int(period)))
    return allowed


def machine() -> Machine:
    """Look around."""
    name = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name")), platform.processor() or platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if Path(limit).exists() and (text := Path(limit).read_text().strip()).isdigit():
            memory = min(memory, int(text))
    return Machine(name, cores(), memory >> 20, tuple(f"{name} ({capability})" for name, capability in _gpus()))


def _gpus() -> list[tuple[str, str]]:
    """(name, compute capability) as nvidia-smi tells them."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    command = [tool, "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    rows = [line.split(", ") for line in done.stdout.splitlines() if line] if done.returncode == 0 else []
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def check_gpu(backend: str, ways_out: str = "-e KERAS_BACKEND=jax trains wake words on it, -e CUDA_VISIBLE_DEVICES=-1 on the processor") -> None:
    """Raises MachineError when TensorFlow's wheels have no kernels for the GPUs that are there, or for one that it might take: it passes over
    those that are too old, and CUDA_VISIBLE_DEVICES leaves out others."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if backend != "tensorflow" or visible in ("", "-1"):
        return
    gpus = [(name, float(capability)) for name, capability in _gpus()]
    usable = [name for name, capability in gpus if OLDEST_CAPABILITY <= capability < NEWEST_CAPABILITY + 1]
    for name, capability in gpus:
        if name not in usable and (not usable or (visible is None and capability > NEWEST_CAPABILITY)):
            other = f"-e CUDA_VISIBLE_DEVICES=<number of {usable[0]}> takes the other, " if usable else ""
            raise MachineError(f"GPU {name} (compute capability {capability:g}) has no kernels in TensorFlow {version_of('tensorflow')}: "
                               f"{other}{ways_out}")


def version_of(*packages: str) -> str:
    """Installed version of the first of `packages` that is there."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "none"


def versions() -> dict[str, str]:
    """Of what shapes a model."""
    names = ("keras", "numpy", "scipy", "soxr", "pymicro-features", "pymicro-wakeword", "ai-edge-litert", "tflite-micro", "wordfreq")
    return {"python": platform.python_version(), "tensorflow": version_of("tensorflow-cpu", "tensorflow"), **{n: version_of(n) for n in names}}


def check() -> list[str]:
    """Try every major part once. Returns lines to print; raises MachineError for the first that fails."""
    lines = []
    here = machine()
    lines.append(f"CPU: {here.cpu} ({here.cores} cores)  Memory: {here.memory_mb} mb")
    lines += _places()
    check_gpu(os.environ.get("KERAS_BACKEND", "tensorflow"))
    gpus = _gpus()
    lines.append(f"GPU: {', '.join(f'{name} (compute capability {capability})' for name, capability in gpus) or 'none that the driver shows'}")
    try:
        import numpy as np

        with quiet():
            import keras

        start = time.monotonic()
        value = float(keras.ops.sum(keras.ops.matmul(np.eye(64, dtype="float32"), np.ones((64, 64), "float32"))))
        assert value == 64 * 64
        backend = keras.backend.backend()
        lines.append(f"Keras {keras.__version__} on {backend}: works ({time.monotonic() - start:.1f} s)")
        if backend == "tensorflow":
            import tensorflow as tf

            found = [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in tf.config.list_physical_devices("GPU")]
            lines.append(f"TensorFlow {tf.__version__}: {'GPU ' + ', '.join(found) if found else 'CPU (no GPU found)'}")
            if gpus and not found:
                lines.append("WARNING: the driver shows a GPU that TensorFlow does not use: build the image with ACCELERATOR=cuda")
    except (ImportError, OSError, AssertionError) as error:
        raise MachineError(f"{type(error).__name__}: {error}; run setup_python_venv to build the environment again") from error
    for program, parts in (("espeak-ng", _wakeword_parts), ("lmplz", _speech_parts)):  # what this image is for
        if shutil.which(program):
            lines += parts()
    return lines


def _places() -> list[str]:
    """Disk, shared memory, and whether the data folder can be written."""
    data = Path(os.environ.get("DATA_DIR", "/data"))
    if not data.is_dir():
        raise MachineError(f"{data} does not exist; run with -v \"$PWD/data:{data}\"")
    if not os.access(data, os.W_OK):
        raise MachineError(f"{data} cannot be written by uid {os.getuid()}; chown it, or run with --user")
    locked = [str(p) for p in sorted(data.iterdir()) if p.is_dir() and not os.access(p, os.W_OK) and p.name not in ("sources", "lost+found")]
    if locked:
        raise MachineError(f"{', '.join(locked)} cannot be written by uid {os.getuid()}; chown them, or run with --user")
    fleeting = "" if os.path.ismount(data) else " (not mounted: it vanishes with the container)"
    lines = [f"Disk: {shutil.disk_usage(data).free >> 30} GB free under {data}{fleeting}"]
    shared = Path("/dev/shm")  # noqa: S108  (only looked at)
    if shared.is_dir():
        lines.append(f"Shared memory: {shutil.disk_usage(shared).total >> 20} MB (nothing here needs more)")
    return lines


def _wakeword_parts() -> list[str]:
    """Front-end, interpreters, speech engines."""
    try:
        import numpy as np

        with quiet():
            from ai_edge_litert.interpreter import Interpreter  # noqa: F401
        from pymicro_wakeword import MicroWakeWord  # noqa: F401

        from trainer.features import features

        assert features(np.zeros(16000, np.int16)).shape == (98, 40)
    except (ImportError, OSError, AssertionError) as error:
        raise MachineError(f"{type(error).__name__}: {error}; run setup_python_venv to build the environment again") from error
    lines = ["Micro front-end, LiteRT and pymicro-wakeword: work"]
    from trainer.wakeword.engines import IN_PROCESS, EngineError, Voice

    for engine, name in zip(IN_PROCESS, ("en-us+m3", "rms"), strict=True):
        try:
            seconds = len(Voice(engine, name, 1.0, 0.5, 0.5, 1.0).speak("hey buster")) / 16000
            lines.append(f"Speech engine {engine}: works ({seconds:.1f} s said)")
        except EngineError as error:
            raise MachineError(str(error)) from error
    return lines


def _speech_parts() -> list[str]:
    """A training step, an export in the clients' libraries, KenLM."""
    from trainer.stt.pipeline import try_out

    with quiet():
        lines = try_out(Path(os.environ.get("DATA_DIR", "/data")) / "tools" / "clients")
    missing = [program for program in ("lmplz", "build_binary", "filter") if not shutil.which(program)]
    if missing:
        raise MachineError(f"KenLM's {', '.join(missing)} are not installed")
    return [*lines, "KenLM: lmplz, filter and build_binary are there"]


def summary(rows: list[tuple[str, float]], total_seconds: float) -> str:
    """The table at the end of a run: the machine, time per stage, total."""
    here = machine()
    gpu = ", ".join(here.gpus) or "N/A"
    lines = ["=" * WIDTH, "Training Summary".center(WIDTH).rstrip(), "=" * WIDTH,
             f"CPU: {here.cpu} ({here.cores} cores)  Memory: {here.memory_mb} mb", f"GPU: {gpu}", ""]
    lines += [f"{what}  Elapsed time: {minutes(seconds):>8}".rjust(WIDTH) for what, seconds in rows]
    lines += [("=" * 54).rjust(WIDTH), f"Total Elapsed time: {minutes(total_seconds):>8}".rjust(WIDTH)]
    return "\n".join(lines)
