"""What runs inside a container: ``python -m sm_core.container train|serve``.

It follows the container contract of Amazon SageMaker (the ``/opt/ml`` tree, its JSON files and
variables, the ``failure`` file, exit codes, ``/ping`` and ``/invocations``) and imports nothing of
the client.
"""
