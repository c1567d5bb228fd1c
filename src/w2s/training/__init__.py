"""Fine-tuning: supervised (`sft`) and on preferences (`preference`), on torch, transformers and PEFT.

There is one loop (`loop`) and three losses (`losses`). A step's loss is a sum over its texts, divided by what the whole
step counts, so it does not depend on how many processes and passes share the step. TRL's trainers average averages:
with accumulation or several processes, a last batch that is not full and NLL terms weigh differently there.
"""
