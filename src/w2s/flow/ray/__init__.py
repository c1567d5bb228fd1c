"""Workers on many machines by Ray; all must see the run's and the models' folders."""

from __future__ import annotations

from w2s.flow.ray.cluster import begin as begin
from w2s.flow.ray.cluster import shutdown as shutdown
from w2s.flow.ray.pool import Pool as Pool
from w2s.flow.ray.pool import size as size
from w2s.flow.ray.training import train as train
