"""Guarded chat: `request` is what may be asked, `answer` what comes back, `route` what happens between."""

from latentguard.serve.routes.chat.route import router

__all__ = ["router"]
