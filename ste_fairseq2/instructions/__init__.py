"""From a source of instructions at the scale of WildChat-1M to those a judge will be trained on."""
