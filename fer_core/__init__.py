"""FER Lab's core: data, models, training, evaluation, explanation and live view, without any user interface.

Importing this package loads nothing heavy; each room loads its libraries when it is first imported::

    from fer_core.data import load
    from fer_core.inference import Classifier
"""

__version__ = "0.1.0"
