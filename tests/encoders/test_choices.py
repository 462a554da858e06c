from __future__ import annotations

import pytest

from emotrace.encoders.choices import refuse_unknown
from emotrace.errors import UnknownChoice


def test_a_known_value_passes_and_another_is_told_the_choices() -> None:
    refuse_unknown("readout", "value", ("final", "value"))
    with pytest.raises(UnknownChoice, match=r"readout: 'last' is not known\. Choose one of: final, value"):
        refuse_unknown("readout", "last", ("final", "value"))
