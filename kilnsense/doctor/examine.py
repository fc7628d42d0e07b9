"""All checks in their order. What one of them raises becomes its finding, and the next one goes on.

What needs numpy, OpenCV, ONNX Runtime or the configuration is imported by its check: where such a package is
broken, that is what is to be found.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kilnsense.doctor import packages, permissions, system
from kilnsense.doctor.findings import Finding
from kilnsense.doctor.patience import with_patience

WHEELS = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Packages whose module has another name."""


@dataclass(frozen=True)
class Asked:
    """What is to be examined beside this computer.

    Attributes:
        out: folder that results go to; it may not be there yet.
        bundle: folder of a trained model, or None.
        source: folder of pictures, or None.
        camera: address of a live camera, or "".
        here: folder that kilnsense is started in.
    """

    out: Path
    bundle: Path | None = None
    source: Path | None = None
    camera: str = ""
    here: Path = Path()


def _packages(_: Asked) -> Iterator[Finding]:
    project, installed = packages.read_project(), packages.read_installed()
    if project is None:
        found = "kilnsense is not installed here, so that its ranges are unknown"
        yield Finding("packages", "warn", found, "pip install kilnsense")
    else:
        yield packages.check_python(project.python)
        yield from packages.check_base(project.of(""), installed)
        for extra in project.extras:
            yield packages.check_extra(extra, project.of(extra), installed)
    yield packages.check_opencv_wheels(installed)


def _pictures(_: Asked) -> Iterable[Finding]:
    from kilnsense.doctor.pictures import check_pictures

    return check_pictures()


def _runtime(_: Asked) -> Iterator[Finding]:
    from kilnsense.doctor.runtime import check_runtime

    yield check_runtime()


def _system(_: Asked) -> Iterator[Finding]:
    limits = system.read_limits()
    yield system.check_cores(system.usable_cores(), limits.cores, present=os.cpu_count() or 1)
    yield system.check_memory(system.read_meminfo(), limits.memory)
    yield system.check_clock(time.time(), system.built())
    yield system.check_clock_rate()


def _permissions(asked: Asked) -> Iterator[Finding]:
    yield permissions.check_secrets(asked.here.absolute())


def _environment(_: Asked) -> Iterable[Finding]:
    from kilnsense.doctor.environment import check_environment

    return check_environment(os.environ)


def _storage(asked: Asked) -> Iterator[Finding]:
    from kilnsense.doctor.storage import check_sqlite, check_storage

    yield check_sqlite()
    yield from with_patience(check_storage, asked.out, name="writing", option="--out")


def _source(asked: Asked) -> Iterable[Finding]:
    if asked.source is None:
        return ()
    from kilnsense.doctor.source import check_source

    return with_patience(check_source, asked.source, name="source", option="--source")


def _camera(asked: Asked) -> Iterable[Finding]:
    if not asked.camera:
        return ()
    from kilnsense.doctor.camera import check_camera

    return check_camera(asked.camera)


def _bundle(asked: Asked) -> Iterable[Finding]:
    # Also without a bundle: the import shows whether every package that judging needs can be loaded.
    from kilnsense.doctor.model import check_bundle

    return () if asked.bundle is None else check_bundle(asked.bundle)


Check = Callable[[Asked], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "packages": _packages,
    "opencv": _pictures,
    "onnxruntime": _runtime,
    "system": _system,
    "permissions": _permissions,
    "environment": _environment,
    "storage": _storage,
    "source": _source,
    "camera": _camera,
    "judging": _bundle,
}


def examine(asked: Asked, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Every finding as soon as it is made; never an error."""
    for name, check in checks.items():
        try:
            yield from check(asked)
        except ImportError as error:
            module = (error.name or "kilnsense").partition(".")[0]
            found = f"{module} cannot be loaded ({' '.join(str(error).split())})"
            fix = f"pip install --force-reinstall {WHEELS.get(module, module)}"
            yield Finding(name, "fail", found, fix)
        except OSError as error:
            found = f"{error.filename or 'a file or folder'} cannot be used ({error.strerror or error})"
            yield Finding(name, "fail", found, "let this user read and write it, with all folders above it")
        except Exception as error:  # noqa: BLE001 - a check that stumbles over a sick computer has found something
            found = f"the check stopped with {type(error).__name__}: {' '.join(str(error).split())}"
            yield Finding(
                name, "fail", found, "report this line with the output of `kilnsense doctor --json`"
            )
