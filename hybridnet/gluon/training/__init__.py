"""Training in one call: ``compile``, ``fit``, ``evaluate``, ``predict`` on every block, by compiled steps.

Relies on no block: ``Block`` inherits from :class:`Trainable`.
"""

from hybridnet.gluon.training.progress import History
from hybridnet.gluon.training.trainable import Trainable

__all__ = ["History", "Trainable"]
