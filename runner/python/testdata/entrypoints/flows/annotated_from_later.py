from __future__ import annotations
from datetime import date
import typing as t
if t.TYPE_CHECKING:
    import pandas as pd
def go(day: date | None = None, n: t.Optional[int] = None, frame: pd.DataFrame | None = None): return [day.isoformat() if day else None, n, frame]
