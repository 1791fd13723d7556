"""The one place where engine work runs off the UI thread: the latest request wins, long work reports and can stop.

Sliders ask for more than can be measured. A request that comes while another is being worked on replaces any that
waits, and stops the running one at its next batch. A row is published only while its request is the latest, which is
decided under the lock of the state: nothing stale is shown and nothing queues up.

Each capability is a small class in a file of its own, on a thread of its own; `Engine` joins them.
"""

from widgets.bridge.engine import Engine, connect
from widgets.bridge.listener import Listener

__all__ = ["Engine", "Listener", "connect"]
