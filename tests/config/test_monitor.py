"""Settings of live monitoring that do not fit together."""

import pytest

from kilnsense.config import check_monitor
from kilnsense.config.monitor import MonitorConfig
from kilnsense.errors import ConfigError

CAMERA = {"source": "sim:plant", "bundle": "runs/demo/bundle"}


def test_decisions_must_be_quicker_than_they_grow_stale() -> None:
    slow = {"cameras": [{**CAMERA, "rate": 0.1}], "decision": {"stale_s": 20}}
    assert MonitorConfig.model_validate(slow).cameras[0].rate == 0.1
    with pytest.raises(ValueError, match=r"kiln1 has rate 0\.1, allowed: 0\.4 and up"):
        MonitorConfig.model_validate({"cameras": slow["cameras"]})


def test_leave_may_not_lie_above_enter() -> None:
    with pytest.raises(ConfigError, match=r"leave: got 0\.9, allowed: at most enter, 0\.8"):
        check_monitor({"cameras": [CAMERA]}, ["decision.leave=0.9", "decision.enter=0.8"])
