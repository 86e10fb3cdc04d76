"""The standard's static binding, at `/`: produce, pull, push, settle, callbacks, told apart by their fields alone.

See `spec/http-binding.md`, and `docs/design/http-binding.md` for why it is so.
"""
