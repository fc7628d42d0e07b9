"""What the pages share: one template environment, in which every text is escaped."""

from collections.abc import Mapping

import jinja2


def render_page(template: str, content: Mapping[str, object]) -> str:
    """A page as HTML text.

    Args:
        template: a file of ``templates`` that extends ``page.html``.
        content: what the template names; a name that is missing raises instead of leaving a gap.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kilnsense.record"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = _share
    return environment.get_template(template).render(content)


def _share(value: float | None) -> str:
    """A share 0..1 with three digits; a dash where it was not measured."""
    return "–" if value is None else f"{value:.3f}"
