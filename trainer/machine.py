"""What is running here: processor, memory, GPU, versions, folders; and a test of them."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from trainer import DATA_FOLDER
from trainer.errors import UserError
from trainer.log import minutes, quiet

# the compute capabilities that the wheels of TensorFlow 2.21 hold kernels for; newer ones only if
# the driver can compile
OLDEST_CAPABILITY, NEWEST_CAPABILITY = 6.0, 9.0
WIDTH = 80
REBUILD = "run setup_python_venv to build the environment again"


@dataclass(frozen=True)
class Machine:
    """Facts for summaries and experiment.json; memory in MB."""

    cpu: str
    cores: int
    memory_mb: int
    gpus: tuple[str, ...]


def data_folder() -> Path:
    """DATA_DIR, or /data: for what runs without settings."""
    return Path(os.environ.get("DATA_DIR") or DATA_FOLDER)


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
    """Facts about this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    cpu = next(names, platform.processor() or platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if Path(limit).exists() and (text := Path(limit).read_text().strip()).isdigit():
            memory = min(memory, int(text))
    gpus = tuple(f"{name} ({capability})" for name, capability in _gpus())
    return Machine(cpu, cores(), memory >> 20, gpus)


def _gpus() -> list[tuple[str, str]]:
    """(name, compute capability) as nvidia-smi lists them."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    command = [tool, "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    rows = [line.split(", ") for line in lines if line]
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def check_backend(name: str) -> None:
    """Raises UserError when the library that Keras shall run on is not installed."""
    if find_spec(name) is None:
        raise UserError(
            f"KERAS_BACKEND={name}: {name} is not in the Python environment: start the wakeword "
            f"container with -e KERAS_BACKEND={name}, or build the train image with "
            f"ACCELERATOR={name}-cpu or {name}-cuda"
        )


def check_gpu(backend: str, ways_out: str) -> None:
    """Raises UserError when TensorFlow's wheels have no kernels for a GPU it would take.

    TensorFlow skips GPUs that are too old; CUDA_VISIBLE_DEVICES hides others. `ways_out`: what
    the user can do, for the message.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if backend != "tensorflow" or visible in ("", "-1"):
        return
    gpus = [(name, float(capability)) for name, capability in _gpus()]
    usable = [n for n, c in gpus if OLDEST_CAPABILITY <= c < NEWEST_CAPABILITY + 1]
    for name, capability in gpus:
        if name in usable:
            continue
        if not usable or (visible is None and capability > NEWEST_CAPABILITY):
            other = ""
            if usable:
                other = f"-e CUDA_VISIBLE_DEVICES=<number of {usable[0]}> takes the other, "
            raise UserError(
                f"TensorFlow {version_of('tensorflow')} has no kernels for GPU {name} (compute "
                f"capability {capability:g}): {other}{ways_out}"
            )


def version_of(*packages: str) -> str:
    """Installed version of the first of `packages` that is installed."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "none"


SHAPING = (  # packages that shape a model
    "keras numpy scipy soxr pymicro-features pymicro-wakeword ai-edge-litert tflite-micro wordfreq"
)


def versions() -> dict[str, str]:
    """Versions of what shapes a model."""
    tensorflow = version_of("tensorflow-cpu", "tensorflow")
    found = {"python": platform.python_version(), "tensorflow": tensorflow}
    return found | {name: version_of(name) for name in SHAPING.split()}


def check() -> Iterator[str]:
    """Lines about this machine and the packages that all products share. Raises UserError."""
    here = machine()
    yield f"CPU: {here.cpu} ({here.cores} cores)  Memory: {here.memory_mb} mb"
    yield from _check_folders()
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    check_gpu(backend, "-e CUDA_VISIBLE_DEVICES=-1 uses the processor")
    gpus = [f"{name} (compute capability {capability})" for name, capability in _gpus()]
    yield f"GPU: {', '.join(gpus) or 'none that the driver shows'}"
    try:
        yield from _check_keras(bool(gpus))
    except (ImportError, OSError) as error:
        raise UserError(f"{type(error).__name__}: {error}; {REBUILD}") from error


def _check_keras(gpus: bool) -> Iterator[str]:
    import numpy as np

    with quiet():
        import keras

    start = time.monotonic()
    eye, ones = np.eye(64, dtype="float32"), np.ones((64, 64), "float32")
    value = float(keras.ops.sum(keras.ops.matmul(eye, ones)))
    if value != 64 * 64:
        raise UserError(f"Keras computes {value} instead of {64 * 64}; {REBUILD}")
    backend = keras.backend.backend()
    seconds = time.monotonic() - start
    yield f"Keras {keras.__version__} on {backend}: works ({seconds:.1f} s)"
    if backend == "tensorflow":
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        devices = tf.config.list_physical_devices("GPU")
        found = [details(d).get("device_name", d.name) for d in devices]
        used = f"GPU {', '.join(found)}" if found else "CPU (no GPU found)"
        yield f"TensorFlow {tf.__version__}: {used}"
        if gpus and not found:
            yield (
                "WARNING: the driver shows a GPU that TensorFlow does not use: build the image "
                "with ACCELERATOR=cuda"
            )


def _check_folders() -> Iterator[str]:
    """Disk, shared memory, and whether the data folder can be written."""
    data = data_folder()
    if not data.is_dir():
        raise UserError(f'{data} does not exist; make it, or run with -v "$PWD/data:{data}"')
    read_only = ("sources", "lost+found")
    folders = [p for p in sorted(data.iterdir()) if p.is_dir() and p.name not in read_only]
    locked = [str(p) for p in (data, *folders) if not os.access(p, os.W_OK)]
    if locked:
        raise UserError(
            f"{', '.join(locked)} cannot be written by uid {os.getuid()}; chown, or run with --user"
        )
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    inside = in_container and not os.path.ismount(data)
    lost = " (not mounted: lost when the container is removed)" if inside else ""
    yield f"Disk: {shutil.disk_usage(data).free >> 30} GB free under {data}{lost}"
    shared = Path("/dev/shm")  # noqa: S108  (only looked at)
    if shared.is_dir():
        size = shutil.disk_usage(shared).total >> 20
        yield f"Shared memory: {size} MB (nothing here needs more)"


def summary(rows: list[tuple[str, float]], total_seconds: float) -> str:
    """The table at the end of a run: the machine, time per stage, total."""
    here = machine()
    gpu = ", ".join(here.gpus) or "N/A"
    lines = [
        "=" * WIDTH,
        "Training Summary".center(WIDTH).rstrip(),
        "=" * WIDTH,
        f"CPU: {here.cpu} ({here.cores} cores)  Memory: {here.memory_mb} mb",
        f"GPU: {gpu}",
        "",
    ]
    for name, seconds in rows:
        lines.append(f"{name}  Elapsed time: {minutes(seconds):>8}".rjust(WIDTH))
    lines.append(("=" * 54).rjust(WIDTH))
    lines.append(f"Total Elapsed time: {minutes(total_seconds):>8}".rjust(WIDTH))
    return "\n".join(lines)
