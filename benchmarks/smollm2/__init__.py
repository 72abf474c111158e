"""Four strategies, on all weights and on a LoRA adapter, on a chat model of 135 M weights: `docs/smollm2.md`."""
