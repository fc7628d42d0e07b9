"""The documents are run: commands of the README exist, its Python compiles, its links lead to files."""

import ast
import re
import shlex
from functools import reduce
from itertools import pairwise
from operator import getitem
from pathlib import Path

import pytest
import typer.main
import yaml

from kilnsense.cli.main import app, run
from kilnsense.config import Config, MonitorConfig, StudyConfig, load_config, load_monitor, load_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").is_file() else ""
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
VERBS = (
    "demo",
    "simulate",
    "segment",
    "train",
    "study",
    "compare",
    "label",
    "monitor",
    "review",
    "doctor",
    "config",
    "bundle",
)


def commands() -> list[list[str]]:
    """The words after `kilnsense` of every command in the console blocks."""
    found = []
    for kind, text in BLOCKS:
        if kind not in ("console", "sh", "bash", "shell"):
            continue
        joined = text.replace("\\\n", " ")
        for line in joined.splitlines():
            if kind == "console" and not line.startswith("$ "):
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and words[0].rpartition("/")[2] == "kilnsense":
                found.append(words[1:])
    return found


def parameters_of(words: list[str]) -> tuple[set[str], set[str]]:
    """The options that the command line has at these words, and the names of the verbs below them."""
    node = typer.main.get_command(app)
    options = {name for parameter in node.params for name in parameter.opts}
    for word in words:
        below = getattr(node, "commands", {})
        if word in below:
            node = below[word]
            options |= {name for parameter in node.params for name in parameter.opts}
    return options | {"--help"}, set(getattr(node, "commands", {}))


def test_there_is_a_readme_with_commands_to_check() -> None:
    assert README
    assert len(BLOCKS) >= 3
    assert "make demo" in README
    assert "make test" in README


def test_every_command_of_the_readme_exists() -> None:
    assert commands()
    for words in commands():
        verb = next((word for word in words if not word.startswith("-")), None)
        assert verb is None or verb in VERBS, f"README: kilnsense {' '.join(words)}: no such verb"
        options, _ = parameters_of(words)
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert given <= options, f"README: kilnsense {' '.join(words)}: no option {given - options}"


def test_every_setting_and_config_of_the_readme_is_good() -> None:
    for words in commands():
        settings = [after for word, after in pairwise(words) if word == "--set"]
        file = next((ROOT / word for word in words if word.startswith("configs/")), None)
        config: StudyConfig | MonitorConfig | Config
        if file and "monitor" in words:
            config = load_monitor(file, settings)
            assert config.site
        else:
            config = load_study(file, settings) if file and "study" in words else load_config(file, settings)
            assert config.name
        for key, _, value in (setting.partition("=") for setting in settings):
            loaded = reduce(getitem, key.split("."), config.model_dump(mode="json"))
            assert loaded == yaml.safe_load(value), f"README: --set {key} did not arrive"


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python_of_the_readme_compiles_and_takes_public_names(code: str) -> None:
    import kilnsense

    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module == "kilnsense":
            assert {name.name for name in node.names} <= set(kilnsense.__all__)
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("kilnsense", "ks")
        ):
            assert node.attr in kilnsense.__all__


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind in ("yaml", "yml")])
def test_yaml_of_the_readme_is_a_config(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    config = load_config(tmp_path / "c.yaml")
    assert config.model_fields_set >= set(yaml.safe_load(text) or {})


def test_no_number_of_the_readme_waits_to_be_filled_in() -> None:
    assert re.findall(r"@[A-Z]+@", README) == []


def test_links_of_the_readme_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", README) + re.findall(r'(?:src|href)="([^"#]+)"', README)
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "Usage: kilnsense" in shown.out
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    for parameter in command.params:
        for name in parameter.opts:
            if name.startswith("--"):
                assert name in shown.out
    assert command.help


def test_the_list_of_verbs_is_whole() -> None:
    assert sorted(VERBS) == sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
