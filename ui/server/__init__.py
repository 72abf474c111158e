"""This room stands between a browser and the pages: who may look, who may change, the session, the warm-up. It imports
`ui/widgets` and the engine."""
