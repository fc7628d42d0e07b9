"""All links that the settings ask for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kilnsense.config.monitor import LinksConfig
from kilnsense.links.files import open_files
from kilnsense.links.link import Link, Station
from kilnsense.links.mqtt import open_mqtt
from kilnsense.links.opcua import open_opcua
from kilnsense.links.webhook import open_webhook

LINKS: dict[str, Callable[[LinksConfig, Station], Link | None]] = {
    "mqtt": lambda config, station: open_mqtt(config.mqtt, station) if config.mqtt else None,
    "opcua": lambda config, station: open_opcua(config.opcua, station) if config.opcua else None,
    "webhook": lambda config, station: open_webhook(config.webhook, station) if config.webhook else None,
    "files": lambda config, station: open_files(config.files, station) if config.files else None,
}
"""Name -> opens the link, or says None where it is off.

`kilnsense.links.metrics.Tallies` is a link, too; who serves the metrics makes it.
"""


def open_links(
    config: LinksConfig, *, site: str, folder: Path, cameras: Mapping[str, Sequence[str]]
) -> dict[str, Link]:
    """Opens every link that is on; none stays open if one cannot be.

    Args:
        config: of the links.
        site: name of the station.
        folder: of the history; outboxes, the certificate and the files of readings are kept there.
        cameras: name -> its classes, in order from cold to hot.

    Raises:
        MissingExtraError: a link needs a package that is not installed.
        ConfigError: a file that the settings name cannot be used, or an address is none.
        StorageError: the folder cannot be written.
    """
    station = Station(
        site, folder, {name: tuple(classes) for name, classes in cameras.items()}, config.stale_s
    )
    links: dict[str, Link] = {}
    try:
        for name, make in LINKS.items():
            link = make(config, station)
            if link is not None:
                links[name] = link
    except BaseException:
        for link in links.values():
            link.close()
        raise
    return links
