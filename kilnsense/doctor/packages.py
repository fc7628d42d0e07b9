"""Python and the installed packages, read from their metadata; nothing is imported."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from kilnsense.doctor.findings import Finding
from kilnsense.doctor.ranges import Need, normal_name, read_need, within

OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""All of them write the same folder `cv2`."""

USED_BY = {
    "train": "demo, train, study, compare",
    "search": "study --search",
    "parquet": "label --format parquet",
    "plant": "monitor",
    "ray": "label --engine ray",
    "dev": "make test",
}
"""Which verbs need what an extra brings."""


@dataclass(frozen=True)
class Project:
    """What the metadata of the installed kilnsense ask for.

    Attributes:
        python: range of Python versions.
        needs: packages of the base installation and of every extra.
    """

    python: str
    needs: tuple[Need, ...]

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the extras, in the order of the metadata."""
        return tuple(dict.fromkeys(need.extra for need in self.needs if need.extra))

    def of(self, extra: str) -> tuple[Need, ...]:
        """The needs of an extra, or those of the base installation for ""."""
        return tuple(need for need in self.needs if need.extra == extra)


def read_project(name: str = "kilnsense") -> Project | None:
    """The metadata of an installed project, or None where it is not installed.

    Raises:
        InputError: a requirement is of a form that cannot be read.
    """
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    needs = tuple(read_need(text) for text in found.requires or ())
    return Project(found.metadata["Requires-Python"] or "", needs)


def read_installed(found: Iterable[metadata.Distribution] | None = None) -> dict[str, str]:
    """Version by normalised name of every installed package, as imports find them: the first one counts."""
    versions: dict[str, str] = {}
    for one in metadata.distributions() if found is None else found:
        if one.metadata["Name"]:  # None in a folder that an interrupted installation left behind
            versions.setdefault(normal_name(one.metadata["Name"]), one.metadata["Version"] or "unknown")
    return versions


def check_python(allowed: str, *, found: str = platform.python_version()) -> Finding:
    """Whether this Python is one that kilnsense is made for."""
    if within(found, allowed):
        return Finding("python", "ok", f"{found}, needed: {allowed or 'any'}")
    fix = f"make a new virtual environment with a Python {allowed} and install kilnsense there"
    return Finding("python", "fail", f"{found}, needed: {allowed}", fix)


def check_base(needs: Sequence[Need], installed: Mapping[str, str]) -> list[Finding]:
    """Whether every base package is there and within its range; one finding for each that is not."""
    wrong = [
        Finding(
            "packages",
            "fail",
            f"{need.name}: {installed.get(need.name, 'not installed')}, needed: {need.allowed or 'any'}",
            f'pip install "{need.text}"',
        )
        for need in needs
        if not _fits(need, installed)
    ]
    if wrong:
        return wrong
    versions = ", ".join(f"{need.name}=={installed[need.name]}" for need in needs)
    return [Finding("packages", "ok", f"all {len(needs)} in their ranges: {versions}")]


def check_extra(extra: str, needs: Sequence[Need], installed: Mapping[str, str]) -> Finding:
    """Whether an extra is installed; a missing one is no fault, a whole one of other versions is."""
    name, use = f"extra:{extra}", USED_BY.get(extra, "no verb yet")
    missing = [need.name for need in needs if need.name not in installed]
    if missing:
        lacking = "not installed" if len(missing) == len(needs) else f"lacks {', '.join(missing)}"
        return Finding(name, "ok", f"{lacking}; used by: {use}")
    fix = f'pip install "kilnsense[{extra}]"'
    other = [f"{need.name} {installed[need.name]}" for need in needs if not _fits(need, installed)]
    if other:
        wanted = ", ".join(need.text for need in needs if not _fits(need, installed))
        return Finding(name, "warn", f"{', '.join(other)}, needed: {wanted}; used by: {use}", fix)
    builds = {_local(installed[one]) for one in ("torch", "torchvision") if one in {n.name for n in needs}}
    if "cpu" in builds and len(builds) > 1:
        found = f"torch {installed['torch']} and torchvision {installed['torchvision']} are of two builds"
        return Finding(name, "warn", f"{found}; used by: {use}", "install both from the same package index")
    return Finding(name, "ok", f"installed; used by: {use}")


def check_opencv_wheels(installed: Iterable[str]) -> Finding:
    """Whether there is one OpenCV wheel and no other that overwrites its files."""
    found = sorted(set(installed) & set(OPENCV_WHEELS))
    if len(found) == 1:
        return Finding("opencv_wheel", "ok", f"one: {found[0]}")
    if not found:
        fix = "pip install opencv-python-headless"
        return Finding("opencv_wheel", "fail", "none is installed", fix)
    fix = f"pip uninstall -y {' '.join(found)} && pip install opencv-python-headless"
    return Finding("opencv_wheel", "fail", f"{len(found)} overwrite each other: {', '.join(found)}", fix)


def _fits(need: Need, installed: Mapping[str, str]) -> bool:
    return need.name in installed and within(installed[need.name], need.allowed)


def _local(version: str) -> str:
    return version.partition("+")[2]
