"""The functions by which MXNet's containers call a script; for client and container alike."""

from __future__ import annotations

from sm_core.scripts import ScriptFunctions

__all__ = ["FUNCTIONS"]

FUNCTIONS = ScriptFunctions(
    required=(("train",),),
    arguments=frozenset(
        {
            "channel_input_dirs",
            "current_host",
            "hosts",
            "hyperparameters",
            "input_data_config",
            "model_dir",
            "num_cpus",
            "num_gpus",
            "output_data_dir",
        }
    ),
    main="train",
)
