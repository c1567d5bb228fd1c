"""Fine-tuning, supervised (`sft`) and on preferences (`preference`).

A step's loss does not depend on processes and passes.
"""

import logging

# peft imports it where it is installed; it warns of a kernel for 4 bits on CPUs, in runs that have nothing in 4 bits.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
