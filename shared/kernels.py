"""Compiled kernels in an installation that nobody may write: for numba's NUMBA_CACHE_LOCATOR_CLASSES.

numba looks for a cache only where it can write; in a read-only container it finds no such place and refuses
to compile. `NUMBA_CACHE_LOCATOR_CLASSES=shared.kernels.InstalledKernels` makes it read NUMBA_CACHE_DIR as it
was filled at installation. numba imports this module by that name; nothing of ours does.
"""

from __future__ import annotations

import os

from numba.core.caching import UserProvidedCacheLocator


class InstalledKernels(UserProvidedCacheLocator):
    """NUMBA_CACHE_DIR, also where it can only be read. A kernel that is not in it is an error there: it
    cannot be kept, so each start would compile it again."""

    def ensure_cache_path(self) -> None:
        """Make the directory where it is missing; one that is there serves as it is. Raises OSError."""
        if not os.path.isdir(self.get_cache_path()):  # type: ignore[no-untyped-call]
            super().ensure_cache_path()  # type: ignore[no-untyped-call]
