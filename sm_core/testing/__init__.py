"""Help for authors of plugins: a conformance suite to inherit, in any test runner.

::

    from sm_core.testing import FrameworkConformance

    class TestMyFramework(FrameworkConformance):
        plugin = "my_plugin.plugin"
        framework = "my-framework"
"""

from __future__ import annotations

from sm_core.testing.conformance import FrameworkConformance

__all__ = ["FrameworkConformance"]
