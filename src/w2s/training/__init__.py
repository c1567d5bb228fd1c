"""Fine-tuning: supervised (`sft`) and on preferences (`preference`), on TRL and PEFT."""
