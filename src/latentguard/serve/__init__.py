"""The guard as a server: OpenAI's moderation endpoint and guarded chat, over one worker that owns the model.

`routes/` is what can be asked, `work/` the worker and what waits for it; settings, keys, limits and metrics
stand beside. Needs the extra `serve`.
"""

from latentguard.serve.app import create_app
from latentguard.serve.engine import Engine
from latentguard.serve.server import serve
from latentguard.serve.settings import Key, Settings, settings_of
from latentguard.serve.state import State

__all__ = ["Engine", "Key", "Settings", "State", "create_app", "serve", "settings_of"]
