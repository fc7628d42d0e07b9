"""A crew of processes: who prepares, what comes over, and that nobody is left behind."""

import importlib
import inspect
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kilnsense import errors
from kilnsense.crew import DONE, Crew, Done
from kilnsense.errors import ConfigError, InputError, KilnsenseError, SourceError

FAKES = Path(__file__).parent
MakeCrew = Callable[..., Crew[str, str]]
LIMITS = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.fixture
def make_crew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeCrew:
    """A crew that does the fake work where other processes find it too; its book is `tmp_path` / book."""
    monkeypatch.syspath_prepend(str(FAKES))
    fake = importlib.import_module("fake_work")
    book = tmp_path / "book"
    book.mkdir()

    def make(*, book: Path = book, **options: Any) -> Crew[str, str]:
        return Crew(partial(fake.prepare, book), fake.work, **options)

    return make


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def notes(tmp_path: Path) -> list[str]:
    file = tmp_path / "book" / "notes.txt"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def heard(crew: Crew[str, str], jobs: list[str]) -> list[tuple[str, str | Done]]:
    """All that is said during a run."""
    found: list[tuple[str, str | Done]] = []
    crew.run(jobs, lambda job, said: found.append((job, said)))
    return found


def test_one_process_does_all_in_order_and_prepares_once(make_crew: MakeCrew, tmp_path: Path) -> None:
    with make_crew() as crew:
        said = heard(crew, ["say a b", "say", "say c"]) + heard(crew, ["say d"])
    assert said == [
        ("say a b", "a"),
        ("say a b", "b"),
        ("say a b", DONE),
        ("say", DONE),
        ("say c", "c"),
        ("say c", DONE),
        ("say d", "d"),
        ("say d", DONE),
    ]
    assert notes(tmp_path) == [f"prepared in {os.getpid()}"]


def test_processes_share_the_jobs_and_prepare_once_each(make_crew: MakeCrew, tmp_path: Path) -> None:
    jobs = [f"say {number} a b" for number in range(5)]
    with make_crew(processes=2) as crew:
        first, second = heard(crew, jobs), heard(crew, jobs[:3])
    for said, asked in ((first, jobs), (second, jobs[:3])):
        assert len(said) == 4 * len(asked)
        for job in asked:
            assert [words for one, words in said if one == job] == [*job.split()[1:], DONE]
    lines = notes(tmp_path)
    assert len(set(lines)) == len(lines) == 2
    assert f"prepared in {os.getpid()}" not in lines


def test_no_more_processes_than_jobs(make_crew: MakeCrew, tmp_path: Path) -> None:
    with make_crew(processes=3) as crew:
        assert len(heard(crew, ["say a"])) == 2
        assert len(multiprocessing.active_children()) == 1
    assert len(notes(tmp_path)) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_without_jobs_nothing_is_prepared(make_crew: MakeCrew, tmp_path: Path, processes: int) -> None:
    with make_crew(processes=processes) as crew:
        assert heard(crew, []) == []
        assert multiprocessing.active_children() == []
    assert notes(tmp_path) == []


def test_no_process_is_no_way_to_work(make_crew: MakeCrew) -> None:
    with pytest.raises(ConfigError, match="--processes: got 0, allowed: 1 and up"):
        make_crew(processes=0)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_cannot_be_prepared_ends_the_run(make_crew: MakeCrew, tmp_path: Path, processes: int) -> None:
    with (
        pytest.raises(SourceError, match="gone: is no folder; give one"),
        make_crew(book=tmp_path / "gone", processes=processes) as crew,
    ):
        heard(crew, ["say a"])


@pytest.mark.parametrize(
    "kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.ImageError]
)
def test_an_error_comes_over_in_its_class(make_crew: MakeCrew, kind: type[KilnsenseError]) -> None:
    with (
        pytest.raises(KilnsenseError, match=rf"^{kind.__name__} as it\nwas said$") as caught,
        make_crew(processes=2) as crew,
    ):
        heard(crew, [f"stop {kind.__name__}"])
    assert type(caught.value) is kind


def test_a_picture_that_cannot_be_used_comes_over_as_its_parent(make_crew: MakeCrew) -> None:
    with pytest.raises(InputError, match=r"^a\.jpg: ends early$") as caught, make_crew(processes=2) as crew:
        heard(crew, ["stop ImageError"])
    assert type(caught.value) is InputError


@pytest.mark.parametrize("kind", ["ValueError", "EOFError", "BrokenPipeError"])
def test_a_fault_comes_over_with_its_traceback(make_crew: MakeCrew, kind: str) -> None:
    """Also one that looks as if the parent were gone."""
    text = rf"^in fail {kind}:\nTraceback[\s\S]*fake_work\.py.*in _fail[\s\S]*{kind}: why"
    with pytest.raises(RuntimeError, match=text), make_crew(processes=2) as crew:
        heard(crew, [f"fail {kind}"])


def test_a_lost_process_is_named(make_crew: MakeCrew) -> None:
    with (
        pytest.raises(
            SourceError,
            match=r"^kill 7: its process was lost, .*; let fewer run at once \(",
        ),
        make_crew(processes=2) as crew,
    ):
        heard(crew, ["kill 7"])
    with (
        pytest.raises(SourceError, match=r"^picture 7: its process was lost"),
        make_crew(processes=2, name=lambda job: f"picture {job.split()[1]}") as crew,
    ):
        heard(crew, ["kill 7"])


def test_a_process_lost_between_two_runs_is_named(make_crew: MakeCrew) -> None:
    with make_crew(processes=2) as crew:
        heard(crew, ["say a"])
        (child,) = multiprocessing.active_children()
        child.kill()
        child.join()
        with pytest.raises(SourceError, match=r"^say b: its process was lost"):
            heard(crew, ["say b"])


def test_a_thread_may_run_a_crew(make_crew: MakeCrew) -> None:
    """Though only the main thread may say what a signal does."""
    with make_crew(processes=2) as crew, ThreadPoolExecutor(1) as pool:
        assert pool.submit(heard, crew, ["say a"]).result() == [("say a", "a"), ("say a", DONE)]


def test_processes_are_deaf_to_an_interrupt_from_the_start(
    make_crew: MakeCrew, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with make_crew(processes=2) as crew:
        said = heard(crew, ["interrupt"])
    assert said == [("interrupt", "deaf from the start: True"), ("interrupt", DONE)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_processes_compute_with_one_thread_and_the_parent_as_before(
    make_crew: MakeCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with make_crew(processes=2) as crew:
        said = [words for _, words in heard(crew, [f"variables {' '.join(LIMITS)}"])]
        assert dict(os.environ) == before
    assert said == [
        "OMP_WAIT_POLICY=PASSIVE",
        "OMP_NUM_THREADS=3",  # somebody's wish
        "OPENBLAS_NUM_THREADS=1",
        "MKL_NUM_THREADS=1",
        DONE,
    ]


def test_a_listener_that_fails_ends_the_processes_and_the_next_run_is_sound(
    make_crew: MakeCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.crew._PATIENCE", 100.0)

    def fail(job: str, said: str | Done) -> None:
        raise ValueError(said)

    with make_crew(processes=2) as crew:
        with pytest.raises(ValueError, match=r"^here$"):
            crew.run(["hang", "hang"], fail)
        assert multiprocessing.active_children() == []
        assert heard(crew, ["say a"]) == [("say a", "a"), ("say a", DONE)]
    assert "asked to go" in notes(tmp_path)


def test_who_does_not_go_is_killed(
    make_crew: MakeCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.crew._PATIENCE", 0.2)

    def interrupt(job: str, said: str | Done) -> None:
        raise KeyboardInterrupt

    with make_crew(processes=2) as crew, pytest.raises(KeyboardInterrupt):
        crew.run(["hang on"], interrupt)


def test_the_end_of_the_block_lets_processes_go_by_themselves(
    make_crew: MakeCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilnsense.crew._PATIENCE", 100.0)
    with make_crew(processes=2) as crew:
        heard(crew, ["say a", "say b"])
        children = multiprocessing.active_children()
    assert [child.exitcode for child in children] == [0, 0]


def test_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    """One of two is idle and one in the middle of a job. They hold its output: this returns without them."""
    script = (
        "import os, signal, sys; from functools import partial; from pathlib import Path\n"
        "from fake_work import note, prepare, work\nfrom kilnsense.crew import DONE, Crew\n"
        "book, heard = Path(sys.argv[1]), set()\n"
        "def hear(job, said):\n"
        "    heard.add((job, said == DONE))\n"
        "    if heard == {('talk', False), ('say', True)}:\n"
        "        note(book, 'killed')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "with Crew(partial(prepare, book), work, processes=2) as crew:\n"
        "    crew.run(['talk', 'say'], hear)"
    )
    (tmp_path / "book").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "book")],
        env={**os.environ, "PYTHONPATH": str(FAKES)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    *prepared, last = notes(tmp_path)
    assert [line.partition(" in ")[0] for line in prepared] == ["prepared"] * 2
    assert last == "killed"
