"""The method's rules as pure functions: no files, no language models.

The paper's: read `voting`, `agreement` (Stage I), `pairs` (Stage II). Each decides one question, without gold.

Then `selector` (types), `demonstrations` and the `arithmetic` that it checks (ours), `augment` (MATH), `early_stopping`
(of sampling; ours, off by default), `collapse` (when to stop `vote_reward`; ours).

Labels with probabilities (ours): `labels` (rules for one question), `label_model` (EM over all questions), `features`,
`calibration` (fitted to gold of held-back questions), `certificate` (how many questions can be kept), and `certified`,
which joins label model, calibration and certificate.
"""
